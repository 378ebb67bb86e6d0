"""A newcomer's path: from a folder of pictures to a prediction on a new picture, in three commands."""
