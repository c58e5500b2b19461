"""Answer users, with a model or without: tools, promises, and one gate that every answer leaves by."""
