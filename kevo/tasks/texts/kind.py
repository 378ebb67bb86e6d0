"""Texts as rows of the table of tasks, one for each thing that may be asked; loads neither TensorFlow nor Keras."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kevo.errors import ExportError, SettingsError
from kevo.runs import layout
from kevo.tasks.options import GROUPS, TARGET
from kevo.tasks.outputs import asked
from kevo.tasks.outputs.asked import Asked
from kevo.tasks.pages import Pages
from kevo.tasks.prepared.kind import PreparedKind
from kevo.tasks.protocols.export import InputSpec
from kevo.tasks.protocols.kind import NetworkKind, TaskKind, TaskOption
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.training import StageData
from kevo.tasks.tables.free_text import is_of_texts
from kevo.tasks.tables.reading import is_table
from kevo.tasks.text_files import holds_texts, is_zip
from kevo.tasks.texts import reading
from kevo.tasks.texts import space as spaces
from kevo.tasks.texts.contract import ROWS
from kevo.tasks.texts.genomes import is_linear
from kevo.tasks.texts.options import TEXT, VECTORS
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kevo.tasks.folded_trainer import FoldedTrainer
    from kevo.tasks.texts.dataset import TextDataset
    from kevo.tasks.texts.predictor import TextPredictor
    from kevo.tasks.texts.task import TextTask
    from kevo.tasks.texts.trainer import TextTrainer

_LINEAR = NetworkKind("l", "linear model")
_KINDS = {
    "bag": NetworkKind("b", "bag of words"),
    "conv": NetworkKind("c", "conv network"),
    "recurrent": NetworkKind("r", "recurrent network"),
    "vectors": NetworkKind("v", "mean of word vectors"),
}


class Texts(PreparedKind):
    """Texts in, one class of several or a number out.

    Args:
        asked: What is asked of a text.
    """

    inputs = "texts"
    example = "text"
    examples = "texts"
    are_small = True
    options: tuple[TaskOption, ...] = (TARGET, GROUPS, TEXT, VECTORS)
    network_kinds: tuple[NetworkKind, ...] = (_LINEAR, *_KINDS.values())
    rung_genes: tuple[str, ...] = ("family",)

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked, name=ROWS[asked.word], spaces=spaces)
        self.title = f"text {asked.word}"

    def recognizes(self, data: Any) -> bool:
        """Returns whether data is a table of texts, a folder or archive of texts, or a pair of texts and answers."""
        if isinstance(data, str | os.PathLike):
            if is_table(data):
                return is_of_texts(data)
            return (os.path.isdir(data) or is_zip(data)) and holds_texts(Path(data))
        return reading.is_of_arrays(data)

    def suggested(self, data: Any, options: Mapping[str, str]) -> tuple[str, str]:
        """Suggests regression for numbers that are no few whole ones; see `loading.suggested`."""
        from kevo.tasks.texts.loading import suggested

        asks, note = suggested(
            data,
            text=options.get(TEXT.name),
            target=options.get(TARGET.name),
            groups=options.get(GROUPS.name),
        )
        what = "This is learned as texts; --task tables learns from the other columns."
        return asks, " ".join(filter(None, (what if is_of_texts(data) else "", note)))

    def source(self, data: Any) -> str | None:
        """Returns the path of a file or folder; `None` for data in memory."""
        return str(Path(data).resolve()) if isinstance(data, str | os.PathLike) else None

    def load(self, data: Any, settings: SearchSettings, *, seconds: float | None = None) -> TextDataset:
        """Reads texts, which takes little time; see `kevo.tasks.texts.loading.load`."""
        from kevo.tasks.sampling import Sampling
        from kevo.tasks.texts.loading import load

        return load(
            data,
            text=settings.options.get(TEXT.name),
            target=settings.options.get(TARGET.name),
            groups=settings.options.get(GROUPS.name),
            asks=self.asks,
            seed=settings.seed,
            sampling=Sampling(settings.max_examples, seed=settings.seed),
            num_folds=settings.folds,
            vectors_file=settings.options.get(VECTORS.name),
        )

    def read(self, folder: Path) -> TextDataset:
        """Reads what `TextDataset.write` wrote."""
        from kevo.tasks.texts import dataset

        return dataset.read(folder)

    def open(
        self, dataset: TextDataset, settings: SearchSettings, *, identity: Mapping[str, Any] | None = None
    ) -> TextTask:
        """Declares the genes."""
        from kevo.tasks.texts.task import TextTask

        return TextTask(dataset, settings)

    def trainer(
        self,
        dataset: TextDataset,
        settings: SearchSettings,
        arguments: Mapping[str, Any],
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: Any = None,
    ) -> TextTrainer | FoldedTrainer:
        """Returns the trainer of a worker process."""
        from kevo.tasks.texts import trainer

        return trainer.for_dataset(dataset, settings, strategy=strategy, leader=leader)

    def stage_data(self, dataset: TextDataset, *, seed: int) -> StageData:
        """Returns numbers of tokens, and the texts' answers; nothing of them is left to chance."""
        from kevo.tasks.prepared import stages
        from kevo.tasks.texts.stages import PreparedTexts

        return stages.stage_data(PreparedTexts(dataset))

    def network_kind(self, genome: Genome) -> NetworkKind:
        """Returns the family of a network; a linear model is one of its own."""
        return _LINEAR if is_linear(genome) else _KINDS[str(genome.get("family", "bag"))]

    def network_name(self, genome: Genome) -> str:
        """Returns its kind in words."""
        return self.network_kind(genome).words

    def input_specs(self, model: keras.Model) -> Sequence[InputSpec]:
        """Returns the only input, of texts."""
        return [InputSpec("", np.str_, (-1,))]

    def pages(self) -> Pages:
        """The pages of texts."""
        from kevo.tasks.texts.pages import PAGES

        return PAGES[self.asks]

    def predictor(
        self, path: str | Path, *, labels: str | Path | None = None, note: Callable[[str], object] | None = None
    ) -> TextPredictor:
        """Opens a saved model of texts."""
        from kevo.tasks.texts.predictor import TextPredictor

        if labels is not None:
            raise SettingsError(
                f"{path} takes texts, and the {layout.TASK} beside it names what it answers. Received other names: "
                f"{labels}. Leave them out."
            )
        return TextPredictor.open(path, note=note)

    def exportable(self, path: Path, *, run: Any = None, data: str | None = None) -> NoReturn:
        """Raises an `ExportError`: other formats have no operations on texts."""
        raise ExportError(
            f"{path} takes texts, and is written in no other format: they have no operations that divide texts into "
            "words. Load it with Keras, which needs no kevo for that: keras.models.load_model(...)."
        )


KIND: TaskKind[TextDataset] = Texts(asked.CLASSES)
REGRESSION: TaskKind[TextDataset] = Texts(asked.NUMBERS)
