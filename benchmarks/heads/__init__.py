"""Which of many heads on one frozen network to hand over."""
