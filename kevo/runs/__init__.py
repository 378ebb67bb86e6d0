"""The run folder: its layout, its files, and how they are read and written."""
