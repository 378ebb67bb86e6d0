"""Pictures from a folder, zip, CSV, npz, arrays, `tf.data` or a built-in name, as one `ImageDataset`."""

from kevo.tasks.images.datasets.builtin import BUILT_IN_NAMES, DEFAULT_NAME
from kevo.tasks.images.datasets.dataset import ImageDataset, Limits, Split
from kevo.tasks.images.datasets.loading import load
from kevo.tasks.protocols.dataset import Skipped

__all__ = ["BUILT_IN_NAMES", "DEFAULT_NAME", "ImageDataset", "Limits", "Skipped", "Split", "load"]
