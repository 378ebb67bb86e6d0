"""What each part of a conv stack is worth."""
