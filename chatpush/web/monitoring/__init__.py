"""Whether it lives, and its numbers."""
