"""Segmentation as a row of the table of tasks; loads neither TensorFlow nor Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kevo.errors import ExportError, SettingsError
from kevo.runs import layout
from kevo.tasks.images.kind import KIND as PICTURES
from kevo.tasks.images.rows import ROWS
from kevo.tasks.masks import space as spaces
from kevo.tasks.options import GROUPS
from kevo.tasks.outputs import asked
from kevo.tasks.pages import Pages
from kevo.tasks.prepared.kind import PreparedKind
from kevo.tasks.protocols.export import InputSpec
from kevo.tasks.protocols.kind import NetworkKind, TaskKind, TaskOption
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.training import StageData
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kevo.tasks.images.datasets import ImageDataset
    from kevo.tasks.masks.predictor import MaskPredictor
    from kevo.tasks.masks.task import MaskTask
    from kevo.tasks.masks.trainer import MaskTrainer

_KINDS = {
    "conv": NetworkKind("u", "U-Net"),
    "separable": NetworkKind("s", "separable U-Net"),
    "residual": NetworkKind("r", "residual U-Net"),
}


class Segmentation(PreparedKind):
    """Pictures in, the class of each pixel out."""

    # The same folders hold classes of whole pictures to who asks for them.
    inputs = PICTURES.inputs
    title = "image segmentation"
    example = "picture"
    examples = "pictures"
    options: tuple[TaskOption, ...] = (GROUPS,)
    network_kinds: tuple[NetworkKind, ...] = tuple(_KINDS.values())
    rung_genes: tuple[str, ...] = ("reduce",)

    def __init__(self) -> None:
        super().__init__(asked.MASKS, name=ROWS[asked.MASKS.word], spaces=spaces)

    def recognizes(self, data: Any) -> bool:
        """Returns whether data are pictures; `suggested` tells whether they have masks."""
        return PICTURES.recognizes(data)

    def suggested(self, data: Any, options: Mapping[str, str]) -> tuple[str, str]:
        """What pictures suggest."""
        return PICTURES.suggested(data, options)

    def check(self, settings: SearchSettings) -> None:
        """Raises a `KevoError` for an unknown preset, weights of backbones, or folds."""
        super().check(settings)
        if settings.folds is not None:
            raise SettingsError("Masks are not learned over folds: pictures are divided once. Leave --folds out.")

    def source(self, data: Any) -> str | None:
        """Returns the path; `None` for data in memory."""
        return PICTURES.source(data) if isinstance(data, str | Path) else None

    def load(self, data: Any, settings: SearchSettings, *, seconds: float | None = None) -> ImageDataset:
        """Reads pictures and masks; see `kevo.tasks.masks.loading.load`."""
        from kevo.tasks.masks.loading import load
        from kevo.tasks.sampling import Sampling

        return load(
            data,
            seed=settings.seed,
            groups=settings.options.get(GROUPS.name),
            sampling=Sampling(settings.max_examples, seed=settings.seed),
        )

    def read(self, folder: Path) -> ImageDataset:
        """Reads what `ImageDataset.write` wrote."""
        return PICTURES.read(folder)

    def open(
        self, dataset: ImageDataset, settings: SearchSettings, *, identity: Mapping[str, Any] | None = None
    ) -> MaskTask:
        """Declares the genes."""
        from kevo.tasks.masks.task import MaskTask

        return MaskTask(dataset, settings)

    def trainer(
        self,
        dataset: ImageDataset,
        settings: SearchSettings,
        arguments: Mapping[str, Any],
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: Any = None,
    ) -> MaskTrainer:
        """Returns the trainer of a worker process."""
        from kevo.tasks.masks.trainer import MaskTrainer

        return MaskTrainer(dataset, settings, strategy=strategy, leader=leader)

    def stage_data(self, dataset: ImageDataset, *, seed: int) -> StageData:
        """Returns crops and their masks; they are the same in every process."""
        from kevo.tasks.masks.stages import PreparedMasks
        from kevo.tasks.prepared import stages

        return stages.stage_data(PreparedMasks(dataset))

    def network_kind(self, genome: Genome) -> NetworkKind:
        """Returns the kind of its blocks."""
        return _KINDS[str(genome.get("unet/block", "conv"))]

    def network_name(self, genome: Genome) -> str:
        """Returns its kind in words."""
        return self.network_kind(genome).words

    def input_specs(self, model: keras.Model) -> Sequence[InputSpec]:
        """Pixels 0-255 of any height and width."""
        return [InputSpec("", np.uint8, (-1, -1, -1, 3))]

    def foreign(self, settings: SearchSettings) -> Sequence[str]:
        """An expression for the paths of pictures."""
        return PICTURES.foreign(settings)

    def pages(self) -> Pages:
        """The pages of masks."""
        from kevo.tasks.masks.pages import PAGES

        return PAGES

    def predictor(
        self, path: str | Path, *, labels: str | Path | None = None, note: Callable[[str], object] | None = None
    ) -> MaskPredictor:
        """Opens a saved model of masks; there is never something to note."""
        from kevo.tasks.masks.predictor import MaskPredictor

        if labels is not None:
            raise SettingsError(
                f"The {layout.TASK} beside {path} says what it answers. Received other names: {labels}. Leave them out."
            )
        return MaskPredictor.open(path)

    def exportable(self, path: Path, *, run: Any = None, data: str | None = None) -> NoReturn:
        """Raises an `ExportError`: no other format was compared with Keras on masks yet."""
        raise ExportError(
            f"{path} answers with masks of its pictures' own size, and is written in no other format yet. Load it with "
            "Keras, which needs no kevo for that: keras.models.load_model(...)."
        )


KIND: TaskKind[ImageDataset] = Segmentation()
