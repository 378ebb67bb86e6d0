"""The workers of a search: each builds its job once and runs one trial after another."""
