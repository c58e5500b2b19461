"""Conversations and their turns, with the files and forms that belong to them."""
