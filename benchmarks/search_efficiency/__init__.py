"""Search efficiency: the regret of a search after a number of trainings, beside its peers."""
