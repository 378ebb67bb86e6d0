"""Kinds of answers: how they are scored and what makes one better than another."""
