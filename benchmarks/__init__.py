"""Benchmarks of kevo; each folder is one of them, and its docstring names the command that runs it again."""
