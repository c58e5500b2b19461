"""What users did and were shown, and what follows from it."""
