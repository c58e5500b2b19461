"""What the assistant may say: articles read from files and sites, and the questions people answered."""
