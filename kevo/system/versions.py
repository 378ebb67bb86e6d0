"""The installed versions of the packages that matter, without loading them."""

from __future__ import annotations

import platform
from importlib import metadata

KEVO = "0.1.0"
"""The version of kevo itself, whether it is installed or not."""
DISTRIBUTION = "kevo-automl"
"""What kevo is called where packages are installed from: `kevo` is another project there."""
PACKAGES = ("tensorflow", "keras", "keras-tuner", "numpy", "scikit-learn", "pillow")
"""What decides about the result of a search, and about what a saved model needs."""


def version(package: str) -> str:
    """Returns the version of a package, `missing` where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def installed() -> dict[str, str]:
    """Returns the versions of Python and of the packages that matter, by their names.

    Example:
        >>> list(installed())[:3]
        ['Python', 'kevo', 'tensorflow']
    """
    others = {package: version(package) for package in PACKAGES}
    return {"Python": platform.python_version(), "kevo": KEVO, **others}


def shared() -> dict[str, str]:
    """Returns the versions that decide whether a model that is saved on one machine can be loaded on another.

    Example:
        >>> list(shared())
        ['Python', 'kevo', 'keras', 'tensorflow']
    """
    found = installed()
    return {name: found[name] for name in ("Python", "kevo", "keras", "tensorflow")}


def how_to_install(extra: str) -> str:
    """Returns the command that installs what an extra of kevo needs.

    Example:
        >>> how_to_install("onnx")
        "pip install 'kevo-automl[onnx]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"
