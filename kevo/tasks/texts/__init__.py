"""Texts: one class of several or a number for each."""
