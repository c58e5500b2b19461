"""What to say: declared slots, filled by templates or by a model under guard."""
