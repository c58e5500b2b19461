"""Judge answers against what was expected."""
