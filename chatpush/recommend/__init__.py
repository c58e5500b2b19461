"""The right item, in the right words, at the right hour, and why."""
