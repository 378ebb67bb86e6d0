"""Files, folders and arrays at random, for what ends in a traceback or does not end."""
