"""How the cost of a search grows with its candidates and its pictures."""
