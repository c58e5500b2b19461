"""Hearth & Lantern: a small gift shop that sells through chatpush.

Its catalogue and its customers' baskets are real (UCI Online Retail); start it
with ``make demo``.
"""
