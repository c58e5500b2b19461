"""Measure chatpush against baselines in the same run; `python -m bench`."""
