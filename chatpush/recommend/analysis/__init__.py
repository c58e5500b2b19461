"""What a text is, what it must not claim, and how its author could do better."""
