"""The names of the losses that masks are learned by; loads no TensorFlow."""

LOSSES = ("bce_dice", "dice", "focal_dice")
"""Each holds Dice: with cross-entropy alone a network may answer with background only."""
