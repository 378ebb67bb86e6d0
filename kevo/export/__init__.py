"""A trained model in the formats that other programs run, each compared with the Keras model before it is handed over.

Every export takes what the Keras model takes, as float32, and returns class probabilities.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kevo.export.exporting import Exported, export

__all__ = ["Exported", "export"]


def __getattr__(name: str) -> Any:
    # On first use: the command's list of formats lives in this package too, and is to load no TensorFlow.
    if name not in __all__:
        raise AttributeError(f"module 'kevo.export' has no attribute {name!r}")
    return getattr(import_module("kevo.export.exporting"), name)
