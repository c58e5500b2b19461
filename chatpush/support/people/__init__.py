"""Agents at work: teams, hours, the queue, deadlines, notes, ready answers, ratings."""
