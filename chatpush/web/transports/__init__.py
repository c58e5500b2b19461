"""The ways to a client: WebSocket, streams, one-way streams, long-poll."""
