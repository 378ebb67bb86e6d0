"""The tasks of kevo: a folder for each kind of data, and one for each kind of answer."""
