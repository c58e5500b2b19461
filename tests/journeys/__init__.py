"""The story of the demo, walked in a real Chromium."""
