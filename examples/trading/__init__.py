"""Lantern Markets: a small trading desk on chatpush, with a simulated market."""
