"""A mask as what is asked: the class of each pixel."""
