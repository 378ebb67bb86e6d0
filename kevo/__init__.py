"""kevo evolves the best Keras classifier for a folder of pictures or a table.

`kevo.search("pictures/")` runs a search, `kevo.Settings` says how, `kevo.Space` what is searched. Everything is loaded
on first use, so that importing kevo loads no TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kevo.system import versions
from kevo.system.quiet import quiet_tensorflow

if TYPE_CHECKING:
    from kevo.api import resume, search
    from kevo.errors import KevoError
    from kevo.estimators import KevoClassifier, KevoRegressor
    from kevo.result import SearchResult
    from kevo.settings import Settings
    from kevo.tasks.public import PRESETS, Classifier, ImageDataset, Space, distill_vectors, read_picture

__version__ = versions.KEVO
__all__ = [
    "PRESETS",
    "Classifier",
    "ImageDataset",
    "KevoClassifier",
    "KevoError",
    "KevoRegressor",
    "SearchResult",
    "Settings",
    "Space",
    "distill_vectors",
    "read_picture",
    "resume",
    "search",
]

_MODULES = {
    "Classifier": "kevo.tasks.public",
    "ImageDataset": "kevo.tasks.public",
    "KevoClassifier": "kevo.estimators",
    "KevoError": "kevo.errors",
    "KevoRegressor": "kevo.estimators",
    "PRESETS": "kevo.tasks.public",
    "SearchResult": "kevo.result",
    "Settings": "kevo.settings",
    "Space": "kevo.tasks.public",
    "distill_vectors": "kevo.tasks.public",
    "read_picture": "kevo.tasks.public",
    "resume": "kevo.api",
    "search": "kevo.api",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'kevo' has no attribute {name!r}")
    # Some of them load TensorFlow, whose start-up notes are of no use to anybody who did not import it.
    with quiet_tensorflow():
        return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
