"""kevo evolves the best Keras image classifier for a folder of pictures.

`kevo.search("pictures/")` runs a search, `kevo.Settings` says how, `kevo.Space` what is searched. Everything is loaded
on first use, so that importing kevo loads no TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kevo.classifier import Classifier
    from kevo.datasets import ImageDataset
    from kevo.errors import KevoError
    from kevo.results import SearchResult
    from kevo.searching import resume, search
    from kevo.settings import Settings
    from kevo.space import PRESETS, Space

__version__ = "0.1.0"
__all__ = [
    "PRESETS",
    "Classifier",
    "ImageDataset",
    "KevoError",
    "SearchResult",
    "Settings",
    "Space",
    "resume",
    "search",
]

_ROOMS = {
    "Classifier": "kevo.classifier",
    "ImageDataset": "kevo.datasets",
    "KevoError": "kevo.errors",
    "PRESETS": "kevo.space",
    "SearchResult": "kevo.results",
    "Settings": "kevo.settings",
    "Space": "kevo.space",
    "resume": "kevo.searching",
    "search": "kevo.searching",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'kevo' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
