"""Notify: from "tell these users" to a line on their screens, with a reason for every step."""
