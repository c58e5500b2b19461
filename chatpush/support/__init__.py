"""Customer service: knowledge, an assistant that keeps its promises, and people who take over."""
