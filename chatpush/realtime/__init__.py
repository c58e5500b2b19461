"""Realtime: the client protocol without sockets, channels with cursors, and the hub in front."""
