"""The engine of a search, and the only room that knows both `tuners` and the rest of kevo."""
