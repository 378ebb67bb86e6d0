"""The report of a search, its figures, its model card, and the comparison of searches."""
