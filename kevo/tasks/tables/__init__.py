"""Tabular classification: rows of numbers and categories, one class each."""
