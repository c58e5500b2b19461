"""Tests of the hooks, the loader, the guard and the first-party plugins."""
