"""What remains of a search: its report, its figures, its model card, and how searches compare."""
