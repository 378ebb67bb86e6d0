"""Whole searches as they are and with one part changed, at the same time."""
