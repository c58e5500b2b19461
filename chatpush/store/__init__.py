"""Records: transactions on SQLite or PostgreSQL, numbered migrations, sealing."""
