"""The options of `kevo serve` are read as they are meant."""

from pathlib import Path
from typing import Any

import click
import pytest

from kevo.cli.serve import Size, serve


def parameters(*arguments: str) -> dict[str, Any]:
    return serve.make_context("serve", list(arguments)).params


@pytest.mark.parametrize(
    ("text", "num"),
    [("1", 1), ("500MB", 500_000_000), ("4GiB", 4 * 1024**3), ("1.5 kb", 1500), ("2TiB", 2 * 1024**4), ("7k", 7000)],
)
def test_sizes_are_read(text: str, num: int) -> None:
    assert Size().convert(text, None, None) == num


@pytest.mark.parametrize("text", ["", "0", "-1", "much", "4 PiB", "1e9", "MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no size"):
        Size().convert(text, None, None)


def test_data_of_the_machine_is_named(tmp_path: Path) -> None:
    found = parameters("--data", f"pets={tmp_path}", "--weights", "vgg16=none", "--max-time", "2h")
    assert found["data"] == (("pets", tmp_path),) and found["weights"] == (("vgg16", "none"),)
    assert found["max_time"] == 7200 and found["host"] == "127.0.0.1" and found["max_upload"] == 4 * 1024**3
    for value in (f"digits={tmp_path}", str(tmp_path), f"../x={tmp_path}", "pets=/nowhere", f"={tmp_path}"):
        with pytest.raises(click.BadParameter):
            parameters("--data", value)
