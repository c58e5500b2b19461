"""Tests of the HTTP floor."""
