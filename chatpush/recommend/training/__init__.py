"""Fit models beside the work, choose among them, keep, swap and judge them."""
