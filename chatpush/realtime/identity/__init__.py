"""Who a client is: tokens, keys that sign them, blocks."""
