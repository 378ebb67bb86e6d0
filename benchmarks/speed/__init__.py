"""Speed of kevo beside Keras Tuner: `transfer` learning against the clock, and training from `scratch`."""
