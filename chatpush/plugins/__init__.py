"""Plugins: the hooks, the loader, and the guard around every call."""
