"""The ``chatpush`` command: a file per group."""
