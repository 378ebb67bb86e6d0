"""Kinds of answers: losses, metrics, objectives, evaluation and pages."""
