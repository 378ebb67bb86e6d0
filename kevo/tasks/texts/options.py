"""The settings that only texts have."""

from __future__ import annotations

from kevo.tasks.protocols.kind import TaskOption

TEXT = TaskOption("text", "COLUMN", "The column of a CSV, TSV or JSON lines file that holds the texts.")
VECTORS = TaskOption(
    "vectors",
    "FILE",
    "Pretrained word vectors that networks for texts may begin with: a word and its numbers on each line, as GloVe, "
    "fastText and word2vec write them, and as kevo vectors makes them of a sentence transformer.",
    is_path=True,
)
