"""Tests of chatpush: through the front door wherever a user would come in."""
