"""Tests of tenants, keys, people, usage and plans."""
