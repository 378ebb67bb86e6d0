"""Word vectors of a sentence transformer: a tiny one, made here."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file
from scipy.special import erf

from kevo.cli import main
from kevo.errors import DataError, SettingsError
from kevo.tasks.texts.sentence_models import distill_vectors
from kevo.tasks.texts.vectors import reduced

SIZE, HEADS, INNER = 4, 2, 6
CONFIG = {
    "model_type": "bert", "hidden_act": "gelu", "num_hidden_layers": 1, "num_attention_heads": HEADS,
    "layer_norm_eps": 1e-6,
}  # fmt: skip
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "cat", "dog", "##s", "7", "!", "tree")
Weights = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def weights() -> Weights:
    rng = np.random.default_rng(0)

    def some(*shape: int) -> npt.NDArray[np.float32]:
        return rng.normal(0, 1, shape).astype(np.float32)

    layer = "encoder.layer.0"
    shapes = {
        **{f"{layer}.attention.self.{name}": (SIZE, SIZE) for name in ("query", "key", "value")},
        f"{layer}.attention.output.dense": (SIZE, SIZE),
        f"{layer}.intermediate.dense": (INNER, SIZE),
        f"{layer}.output.dense": (SIZE, INNER),
    }
    norms = ("embeddings.LayerNorm", f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm")
    return {
        "embeddings.word_embeddings.weight": some(len(VOCABULARY), SIZE),
        "embeddings.position_embeddings.weight": some(20, SIZE),
        "embeddings.token_type_embeddings.weight": some(2, SIZE),
        **{f"{name}.weight": some(*shape) for name, shape in shapes.items()},
        **{f"{name}.bias": some(shape[0]) for name, shape in shapes.items()},
        **{f"{name}.{kind}": some(SIZE) for name in norms for kind in ("weight", "bias")},
    }


@pytest.fixture
def folder(weights: Weights, tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    save_file(weights, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(CONFIG))
    vocabulary = {word: place for place, word in enumerate(VOCABULARY)}
    (path / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordPiece", "vocab": vocabulary}}))
    return path


def expected(weights: Weights, tokens: list[int]) -> npt.NDArray[np.float64]:
    """Passes tokens through the model, written out for one text: BERT as in the paper, then the mean of length 1."""

    def dense(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Any, name: str) -> Any:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    own = "encoder.layer.0"
    x = weights["embeddings.word_embeddings.weight"][tokens].astype(np.float64)
    x = x + weights["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    query, key, value = (dense(x, f"{own}.attention.self.{name}") for name in ("query", "key", "value"))
    seen = []
    for head in range(HEADS):
        part = slice(head * SIZE // HEADS, (head + 1) * SIZE // HEADS)
        scores = np.exp(query[:, part] @ key[:, part].T / np.sqrt(SIZE // HEADS))
        seen.append(scores / scores.sum(-1, keepdims=True) @ value[:, part])
    attended = dense(np.concatenate(seen, axis=-1), f"{own}.attention.output.dense")
    x = norm(x + attended, f"{own}.attention.output.LayerNorm")
    inner = dense(x, f"{own}.intermediate.dense")
    inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
    x = norm(x + dense(inner, f"{own}.output.dense"), f"{own}.output.LayerNorm").mean(axis=0)
    found: npt.NDArray[np.float64] = x / np.linalg.norm(x)
    return found


def test_each_word_goes_through_the_model_once(weights: Weights, folder: Path, tmp_path: Path) -> None:
    file, told = tmp_path / "words.vec", []
    num = distill_vectors(folder, file, words=["Dogs, cat! Càts quiz"], progress=lambda *done: told.append(done))
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    # Whole words of the vocabulary, and then those of the texts; neither parts, marks nor figures.
    assert [line[0] for line in lines] == ["cat", "dog", "tree", "dogs", "càts", "quiz"]
    assert (num, told[-1]) == (6, (6, 6))
    whole = np.stack([expected(weights, [2, *middle, 3]) for middle in ([4], [5], [9], [5, 6], [4, 6], [1])])
    np.testing.assert_allclose(np.array([line[1:] for line in lines], np.float64), reduced(whole), rtol=1e-3, atol=1e-3)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("dogs")
    arguments = ["vectors", str(folder), str(tmp_path / "words.vec"), "--words", str(tmp_path / "texts.txt")]
    done = CliRunner().invoke(main, arguments)
    assert json.loads(done.stdout) == {"file": str(tmp_path / "words.vec"), "num_words": 4}
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code != 0 and "is there already" in again.stderr
    (tmp_path / "words.vec").unlink()
    os.mkfifo(tmp_path / "pipe")
    waiting = CliRunner().invoke(main, [*arguments, "--words", str(tmp_path / "pipe")])
    assert waiting.exit_code != 0 and "pipe is no file" in waiting.stderr


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("tokenizer.json", b"{}", "holds no sentence transformer"),
        ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {"a": 1}}}', "in another way"),
        ("model.safetensors", b"nothing of the kind", "holds no sentence transformer"),
        ("config.json", json.dumps({**CONFIG, "model_type": "t5"}).encode(), "'t5'.*Expected 'bert' with 'gelu'"),
        (
            "config.json",
            json.dumps({**CONFIG, "num_hidden_layers": 2}).encode(),
            "no BERT whose weights are all there.*encoder.layer.1",
        ),
    ],
)
def test_what_is_no_sentence_transformer_is_refused(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        distill_vectors(folder, tmp_path / "words.vec")
    assert not (tmp_path / "words.vec").exists()


def test_no_file_is_written_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "words.vec").write_text("mine")
    with pytest.raises(SettingsError, match="is there already"):
        distill_vectors(folder, tmp_path / "words.vec")
    assert (tmp_path / "words.vec").read_text() == "mine"
