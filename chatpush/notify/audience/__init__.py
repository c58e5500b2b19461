"""Who is meant: users, topics, segments, and audiences that plugins bring."""
