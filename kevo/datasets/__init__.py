"""Pictures from a folder, zip, CSV, npz, arrays, `tf.data` or a built-in name, as one `ImageDataset`."""

from kevo.datasets.builtin import BUILT_IN_NAMES, DEFAULT_NAME
from kevo.datasets.dataset import ImageDataset, Limits, Skipped, Split
from kevo.datasets.loading import load

__all__ = ["BUILT_IN_NAMES", "DEFAULT_NAME", "ImageDataset", "Limits", "Skipped", "Split", "load"]
