"""From the queue to a screen or a channel: claims, attempts, chains, dead letters."""
