"""Programs that show chatpush at work; each runs as it stands."""
