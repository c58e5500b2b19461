"""When to write to somebody, and whom to leave alone."""
