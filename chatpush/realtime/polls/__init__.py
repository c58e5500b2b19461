"""The long-poll: grants, waiting together, answers encoded once."""
