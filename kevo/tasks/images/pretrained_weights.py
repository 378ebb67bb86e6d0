"""Where pretrained weights come from: ImageNet files that Keras publishes, files of one's own, or nowhere (random).

What can be had is found out before training and without downloading: `resolve` looks into Keras's cache, asks the
server for headers only, and tries a file of one's own on the network that it is meant for. A download happens on first
use.
"""

from __future__ import annotations

import functools
import hashlib
import http.client
import logging
import math
import os
import threading
import urllib.error
import urllib.request
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from kevo.errors import WeightsError, os_reason
from kevo.tasks.images import backbone_networks, backbones
from kevo.tasks.images.backbones import Backbone, Variant

if TYPE_CHECKING:
    import h5py
    import keras

_SERVER = "https://storage.googleapis.com/"
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_PIECE = 1 << 16
_ADVICE = "Connect to the internet, or give --weights NAME=FILE (NAME=none starts from random weights)."

# What Keras and h5py raise on a file that is broken or made to harm.
_BROKEN_FILE = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError)

_log = logging.getLogger(__name__)

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """Where the weights of one backbone in one width come from.

    Args:
        backbone: The backbone's name.
        source: "imagenet" (published by Keras), "file" (the user's own) or "none" (random).
        path: The file; for "imagenet", its place in Keras's cache, where it may still have to be downloaded to.
        alpha: Width multiplier that the weights fit. `None`: the backbone comes in one width only.
    """

    backbone: str
    source: Literal["imagenet", "file", "none"]
    path: Path | None = None
    alpha: float | None = None

    def fetch(self, *, watch: Callable[[], None] = lambda: None) -> Path | None:
        """Downloads the file if it is an ImageNet file that is not in Keras's cache yet.

        Workers that fetch the same file at once do not disturb each other.

        Args:
            watch: Is called now and then while the file comes; what it raises ends the download.

        Returns:
            The local file; `None` for random weights.

        Raises:
            WeightsError: The download failed.
        """
        if self.source == "imagenet" and self.path is not None:
            variant = _variant(backbones.get(self.backbone), self.alpha)
            if not _is_intact(self.path, variant.md5):
                download(_SERVER + variant.file, path=self.path, md5=variant.md5, watch=watch)
        return self.path

    def checksum(self) -> str | None:
        """Returns the content hash of the weights; `None` for random ones.

        Raises:
            WeightsError: An ImageNet file without a published checksum cannot be downloaded, or the file is gone.
        """
        if self.source == "imagenet" and (md5 := _variant(backbones.get(self.backbone), self.alpha).md5):
            return f"md5:{md5}"
        path = self.fetch()
        if path is None:
            return None
        try:
            facts = path.stat()
            return _content_checksum(path, facts.st_mtime_ns, facts.st_size)
        except OSError as error:
            raise WeightsError(
                f"{path} cannot be read: {os_reason(error)}. Put it back, or name another file."
            ) from error

    def load_into(self, network: keras.Model, *, backbone: str, alpha: float | None) -> None:
        """Loads the weights into a bare network, after downloading them if need be.

        Args:
            network: What `backbone_networks.network` built.
            backbone: The name of the backbone that the network was built from.
            alpha: The width that it was built with.

        Raises:
            WeightsError: The weights belong to another backbone or width, cannot be had, or do not fit.
        """
        if (self.backbone, self.alpha) != (backbone, alpha):
            raise WeightsError(
                f"Received weights of {_title(self.backbone, self.alpha)} for {_title(backbone, alpha)}. "
                "Build the backbone and width that the weights are made for."
            )
        path = self.fetch()
        if path is not None:
            _load(network, path)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The weights that can be had, and the reasons for the others.

    Args:
        available: Weights by backbone, one for each width that can be had, narrow to wide.
        unavailable: For each backbone without any, one line on why and what to do. It does not repeat the name.
    """

    available: Mapping[str, tuple[Weights, ...]]
    unavailable: Mapping[str, str]


def resolve(requests: Mapping[str, str]) -> Resolved:
    """Finds out which weights can be had, before anything is trained and without downloading.

    Args:
        requests: For each wanted backbone "imagenet", "none" or the path of a file with its weights (`.weights.h5`, or
            Keras 2's `.h5`, without the ImageNet classifier). A file decides itself which width it fits.

    Returns:
        What can be had and what cannot. ImageNet files count as available if they lie in Keras's cache or if the server
        offers them; after the first failure to connect the others count as unreachable at once.

    Raises:
        UnknownBackboneError: A backbone is not in the table.
        WeightsError: A file is missing, is no weights file, is unsafe to read, or fits none of the backbone's widths.

    Example:
        >>> [weights.alpha for weights in resolve({"mobilenet_v3_small": "none"}).available["mobilenet_v3_small"]]
        [0.75, 1.0]
    """
    available: dict[str, tuple[Weights, ...]] = {}
    unavailable: dict[str, str] = {}
    server = _Server()
    for name, request in requests.items():
        row = backbones.get(name)
        if request == "none":
            available[name] = tuple(Weights(name, "none", alpha=variant.alpha) for variant in row.variants)
        elif request != "imagenet":
            available[name] = (_from_file(row, Path(absolute(request))),)
        else:
            refusals = {variant: server.refusal(variant) for variant in row.variants}
            if offered := [variant for variant, refusal in refusals.items() if refusal is None]:
                available[name] = tuple(
                    Weights(name, "imagenet", _cache_path(variant), variant.alpha) for variant in offered
                )
            else:
                unavailable[name] = f"no ImageNet weights, since {refusals[row.variants[0]]}. {_ADVICE}"
    return Resolved(available, unavailable)


def absolute(request: str) -> str:
    """Returns a request that means the same from every folder."""
    if request in ("imagenet", "none"):
        return request
    return os.path.abspath(os.path.expanduser(request))


class _Server:
    """Says which ImageNet files cannot be had, and waits for a connection that does not come only once."""

    def __init__(self) -> None:
        self._unreachable: str | None = None

    def refusal(self, variant: Variant) -> str | None:
        """Returns why a file cannot be had; `None` if it is in the cache or offered for download."""
        path = _cache_path(variant)
        if _is_intact(path, variant.md5):
            return None
        folder = next(parent for parent in path.parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            return f"{folder} cannot be written (set KERAS_HOME to a folder that can)"
        if self._unreachable is None:
            url = _SERVER + variant.file
            try:
                ask(url)
            except urllib.error.HTTPError as error:
                return f"{url} answers {error.code} {error.reason}"
            except OSError as error:
                self._unreachable = f"{urlsplit(url).hostname} cannot be reached ({os_reason(error)})"
        return self._unreachable


def ask(url: str, *, seconds: float = _CONNECT_SECONDS) -> None:
    """Asks a server for a file's headers.

    Args:
        url: The file.
        seconds: How long to wait altogether. A look-up of the server's name alone would otherwise wait for a minute on
            some systems without a network, whatever the time-out of the connection.

    Raises:
        HTTPError: The server answers that it does not offer the file.
        OSError: There is no answer.
    """
    errors: list[OSError] = []

    def head() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):
                pass
        except OSError as error:
            _close(error)
            errors.append(error)
        except http.client.HTTPException as error:
            errors.append(ConnectionError(f"the answer is no HTTP: {error!r}"))

    thread = threading.Thread(target=head, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} s")
    if errors:
        raise errors[0]


def download(url: str, *, path: Path, md5: str | None, watch: Callable[[], None] = lambda: None) -> None:
    """Downloads a file; its path shows the whole file or nothing at all times.

    Args:
        url: Where from.
        path: Where to; its folder is made.
        md5: Checksum of the file. `None`: only the length that the server announces is checked.
        watch: Is called after every piece; what it raises ends the download.

    Raises:
        WeightsError: The file cannot be downloaded whole, or cannot be written.
    """
    _log.info("Downloading %s to %s", url, path)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=_READ_SECONDS) as response, part.open("wb") as file:
            # `read1` hands over what has come; `read` would wait for the whole piece.
            while piece := response.read1(_PIECE):
                file.write(piece)
                watch()
        expected, received = response.headers["Content-Length"], part.stat().st_size
        if expected is not None and int(expected) != received:
            raise WeightsError(f"Download of {url} broke off after {received} of {expected} bytes. Try again.")
        if md5 is not None and (found := _md5(part)) != md5:
            raise WeightsError(f"Download of {url} has the checksum {found}. Expected {md5}. Try again.")
        part.replace(path)
    except (OSError, http.client.HTTPException) as error:
        _close(error)
        raise WeightsError(f"Cannot download {url} to {path}: {os_reason(error)}. {_ADVICE}") from error
    finally:
        part.unlink(missing_ok=True)


def _close(error: Exception) -> None:
    # An answer that is an error holds its connection.
    if isinstance(error, urllib.error.HTTPError):
        error.close()


def is_cached(variant: Variant) -> bool:
    """Tells whether the file of a variant has been downloaded, whole."""
    return _is_intact(_cache_path(variant), variant.md5)


def _cache_path(variant: Variant) -> Path:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return home.expanduser() / "models" / variant.file.rpartition("/")[2]


def _is_intact(path: Path, md5: str | None) -> bool:
    """Says whether a file is there and whole; without a checksum, HDF5 itself knows a file that was cut short."""
    if not path.is_file():
        return False
    if md5 is None:
        try:
            return bool(shapes(path))
        except WeightsError:
            return False
    facts = path.stat()
    return _known_md5(path, facts.st_mtime_ns, facts.st_size) == md5


@functools.cache
def _content_checksum(path: Path, _changed: int, _size: int) -> str:
    """Reads a file once for each time that it was written."""
    with path.open("rb") as file:
        return f"blake2b:{hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()}"


@functools.cache
def _known_md5(path: Path, _changed: int, _size: int) -> str:
    """Reads a file once for each time that it was written."""
    return _md5(path)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _variant(row: Backbone, alpha: float | None) -> Variant:
    return next(variant for variant in row.variants if variant.alpha == alpha)


def _title(name: str, alpha: float | None) -> str:
    return name if alpha is None else f"{name} (alpha {alpha:g})"


def _from_file(row: Backbone, path: Path) -> Weights:
    """Finds the width that a file fits. The number of parameters names it; loading it into a network proves it."""
    found = shapes(path)
    for variant in row.variants:
        if variant.num_parameters == _num_parameters(found):
            network = backbone_networks.network(row, alpha=variant.alpha)
            if _shapes_of(network) == found:
                _load(network, path)
                return Weights(row.name, "file", path, variant.alpha)
    networks = {variant.alpha: backbone_networks.network(row, alpha=variant.alpha) for variant in row.variants}
    expected = "; ".join(
        f"{_title(row.name, alpha)} with {_describe(_shapes_of(network))}" for alpha, network in networks.items()
    )
    raise WeightsError(
        f"{path} does not fit {row.name}: it holds {_describe(found)}. Expected, without the ImageNet classifier: "
        f"{expected}. Give a file saved from one of these (its name often says notop)."
    )


def _load(network: keras.Model, path: Path) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns of a part of the file that it skips.
            warnings.simplefilter("error", UserWarning)
            network.load_weights(path)
    except (*_BROKEN_FILE, UserWarning) as error:
        raise WeightsError(f"{path} cannot be loaded into {network.name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def shapes(path: Path) -> Counter[Shape]:
    """Reads the shapes of all arrays in a weights file, and nothing else of it.

    Args:
        path: A `.weights.h5` file as Keras 3 writes it, or an `.h5` or `.hdf5` file as Keras 2 did.

    Returns:
        How many arrays there are of each shape.

    Raises:
        WeightsError: The file is missing, is no weights file, has the other layout's name, or reaches for data outside
            itself.
    """
    import h5py

    # `Path.is_file` raises where a name is too long.
    if not os.path.isfile(path):
        raise WeightsError(f"There is no weights file {path}. Give the path of a .weights.h5 or .h5 file.")
    try:
        with h5py.File(path, "r") as file:
            arrays = dict(_arrays(file))
            layout = ".weights.h5" if "layers" in file and "layer_names" not in file.attrs else ".h5"
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except _BROKEN_FILE as error:
        raise WeightsError(
            f"{path} is no weights file that can be read ({_first_line(error)}). Expected HDF5: .weights.h5 or .h5."
        ) from error
    suffix = ".weights.h5" if path.name.endswith(".weights.h5") else path.suffix.replace(".hdf5", ".h5")
    if suffix != layout:
        raise WeightsError(
            f"{path} has the layout of {layout} files, but Keras goes by the name's end, {suffix or 'none'}. "
            f"Rename it to {path.name.removesuffix(suffix)}{layout}."
        )
    part = "layers/" if layout == ".weights.h5" else "model_weights/"
    inner = {name: shape for name, shape in arrays.items() if name.startswith(part)} or arrays
    # Keras 3 also keeps the state of each dropout layer's random numbers.
    return Counter(shape for name, shape in inner.items() if "/seed_generator/" not in name)


def _arrays(group: h5py.Group, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Shape]]:
    """Walks a file without following anything that leads out of it or in circles."""
    import h5py

    seen = set() if seen is None else seen
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise WeightsError(f"the entry {prefix}{name} is a link to elsewhere. Save the weights into one file.")
        entry: Any = group[name]
        address = h5py.h5o.get_info(entry.id).addr
        if address in seen:
            raise WeightsError(f"the entry {prefix}{name} is there twice. Save the weights with Keras.")
        seen.add(address)
        if isinstance(entry, h5py.Group):
            yield from _arrays(entry, f"{prefix}{name}/", seen)
        elif not isinstance(entry, h5py.Dataset) or entry.shape is None or entry.dtype.kind not in "fiu":
            raise WeightsError(f"the entry {prefix}{name} is no array of numbers. Save the weights with Keras.")
        elif entry.external or entry.is_virtual:
            raise WeightsError(f"the entry {prefix}{name} keeps its numbers elsewhere. Save the weights into one file.")
        else:
            yield f"{prefix}{name}", entry.shape


def _shapes_of(network: keras.Model) -> Counter[Shape]:
    return Counter(tuple(weight.shape) for weight in network.weights)


def _num_parameters(arrays: Counter[Shape]) -> int:
    return sum(math.prod(shape) * count for shape, count in arrays.items())


def _describe(arrays: Counter[Shape]) -> str:
    kernels = [shape for shape in arrays if len(shape) == 4]
    first = next((str(shape) for shape in kernels if shape[2] == 3), "none")
    largest = max(kernels, key=math.prod, default="none")
    return (
        f"{arrays.total()} arrays of {_num_parameters(arrays):,} numbers, the kernel on the pixels {first}, "
        f"the largest kernel {largest}"
    )
