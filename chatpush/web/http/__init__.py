"""What every request passes: doors, identity, rates, idempotency, problems, OpenAPI."""
