"""Exports beside their Keras models: agreement, size and latency in every format."""
