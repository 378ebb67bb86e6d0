"""A number as what is asked."""
