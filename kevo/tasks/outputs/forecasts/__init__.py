"""The next values of a series."""
