"""Find the passages that answer a question, and say how sure that is."""
