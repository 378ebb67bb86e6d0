"""Overhead of an oracle: seconds, memory and bytes that it costs per trial, kevo's beside Keras Tuner's."""
