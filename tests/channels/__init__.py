"""Tests of the channels, against real peers."""
