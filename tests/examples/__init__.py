"""The example programs, as far as they go without a chatpush server."""
