"""What is learned: one folder for each kind of data, one for each kind of answer."""
