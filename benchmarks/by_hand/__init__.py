"""kevo beside networks that are made by hand, in the same time."""
