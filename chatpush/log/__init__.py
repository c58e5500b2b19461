"""The log: append to a channel, read after a cursor, hear of every append."""
