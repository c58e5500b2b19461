"""What readers have and do: inbox, receipts, and the answer to "why did I get this?"."""
