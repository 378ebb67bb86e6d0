"""Files of Keras models: loaded safely, nothing in them is executed; and written so that older versions read them."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kevo.system import model_sizes

if TYPE_CHECKING:
    import keras

_CONFIG = "config.json"
_NEW_DEFAULTS: Mapping[str, Any] = {
    # Of initializers, since Keras 3.15.
    "input_axes": None,
    "output_axes": None,
    # Of layers with weights and of normalization, since Keras 3.13.
    "quantization_config": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
}
"""Arguments at their defaults, which Keras versions that do not know them refuse."""


def load(path: Path, *, limit: int | None = None) -> keras.Model:
    """Loads a model from a `.keras` file, uncompiled.

    Args:
        path: The file.
        limit: The memory that may be used, in bytes; `None` for no limit.

    Raises:
        ModelSizeError: it asks for more memory than it may; nothing was built then.
        Exception: whatever Keras raises where the file is damaged, or holds code of its own.
    """
    import keras

    with renamed_inputs():
        model_sizes.check(path, limit)
        return keras.models.load_model(path, compile=False, safe_mode=True)


def save(model: keras.Model, path: Path) -> None:
    """Saves a model as a `.keras` file that Keras from 3.12 on loads: arguments that came later are left out.

    Only arguments at their defaults are, so that the model stays the same.
    """
    model.save(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        rewritten = Path(folder) / path.name
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(rewritten, "w") as target:
            for member in source.infolist():
                with source.open(member) as read, target.open(member, "w", force_zip64=True) as written:
                    if member.filename == _CONFIG:
                        written.write(json.dumps(_without_new_defaults(json.load(read))).encode())
                    else:
                        shutil.copyfileobj(read, written)
        rewritten.replace(path)


def _without_new_defaults(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_new_defaults(one)
            for key, one in value.items()
            if not (key in _NEW_DEFAULTS and one == _NEW_DEFAULTS[key])
        }
    return [_without_new_defaults(one) for one in value] if isinstance(value, list) else value


@contextlib.contextmanager
def renamed_inputs() -> Iterator[None]:
    """Silences Keras where a model takes a mapping whose keys are not the names of its inputs.

    Not every column of a table can name a layer. Keras warns of that whenever such a model is built or loaded, though
    the keys are what counts.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="When providing `inputs` as a dict", category=UserWarning)
        yield
