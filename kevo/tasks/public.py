"""The names of the tasks that `kevo` offers as its own, loaded on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kevo.tasks.images.classifier import Classifier
    from kevo.tasks.images.contract import read_picture
    from kevo.tasks.images.datasets import ImageDataset
    from kevo.tasks.images.space import PRESETS, Space
    from kevo.tasks.texts.sentence_models import distill_vectors

__all__ = ["PRESETS", "Classifier", "ImageDataset", "Space", "distill_vectors", "read_picture"]

_MODULES = {
    "Classifier": "kevo.tasks.images.classifier",
    "ImageDataset": "kevo.tasks.images.datasets",
    "PRESETS": "kevo.tasks.images.space",
    "Space": "kevo.tasks.images.space",
    "distill_vectors": "kevo.tasks.texts.sentence_models",
    "read_picture": "kevo.tasks.images.contract",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'kevo.tasks.public' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
