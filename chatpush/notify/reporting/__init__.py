"""What became of messages, counted and kept as long as it should be."""
