"""Endurance of a search: 200 trials, faults in workers, kills, a full disk, and the gain of a second worker."""
