"""The realtime server API, ``POST /api/<method>``."""
