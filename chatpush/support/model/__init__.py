"""Ask a language model, on a short leash: streams, tool calls, prompts, memory, budgets."""
