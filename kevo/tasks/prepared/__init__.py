"""What tasks share whose examples are prepared once, as arrays, and whose networks are trained in one stage."""
