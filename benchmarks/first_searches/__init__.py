"""The searches that the README shows, each the command that a user would type."""
