"""What is sent: drafts accepted durably, fanned out, broadcast, recalled."""
