"""Campaigns: when they fire, how their runs proceed, and what events set off."""
