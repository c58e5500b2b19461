"""What proposes items, each in its own way, and what makes one list of it."""
