"""The built-in ways to reach people and programs outside; they enter by the plugins' door."""
