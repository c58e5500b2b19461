"""Whether a message may reach a user now, and in which variant."""
