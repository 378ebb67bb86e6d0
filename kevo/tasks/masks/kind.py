"""Segmentation as a row of the table of tasks; loads neither TensorFlow nor Keras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kevo.errors import ExportError, SettingsError
from kevo.runs import layout
from kevo.tasks.images.kind import KIND as PICTURES
from kevo.tasks.images.rows import ROWS
from kevo.tasks.masks import encoders
from kevo.tasks.masks import space as spaces
from kevo.tasks.options import GROUPS
from kevo.tasks.outputs import asked
from kevo.tasks.pages import Pages
from kevo.tasks.prepared.kind import PreparedKind
from kevo.tasks.protocols.export import InputSpec
from kevo.tasks.protocols.kind import NetworkKind, Pretrained, TaskKind, TaskOption
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

_PRETRAINED = NetworkKind("p", "pretrained U-Net")
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
    network_kinds: tuple[NetworkKind, ...] = (*_KINDS.values(), _PRETRAINED)
    rung_genes: tuple[str, ...] = ("family", "reduce")

    def __init__(self) -> None:
        super().__init__(asked.MASKS, name=ROWS[asked.MASKS.word], spaces=spaces)

    def recognizes(self, data: Any) -> bool:
        """Returns whether data are pictures; `suggested` tells whether they have masks."""
        return PICTURES.recognizes(data)

    def suggested(self, data: Any, options: Mapping[str, str]) -> tuple[str, str]:
        """What pictures suggest."""
        return PICTURES.suggested(data, options)

    def check(self, settings: SearchSettings) -> None:
        """Raises a `KevoError` for an unknown preset, backbones that cannot serve, or folds."""
        spaces.of(settings)
        if settings.folds is not None:
            raise SettingsError("Masks are not learned over folds: pictures are divided once. Leave --folds out.")

    def varied(self, settings: SearchSettings) -> dict[str, tuple[Any, ...]]:
        """Returns the values of each field of the space, with the backbones of the named weights."""
        found = spaces.of(settings)
        return {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}

    def absolute(self, weights: Mapping[str, str]) -> dict[str, str]:
        """Returns the same weights with absolute paths."""
        return PICTURES.absolute(weights)

    def pretrained(self) -> Iterator[Pretrained]:
        """Yields the backbones that can be the way down of a U-Net."""
        return (one for one in PICTURES.pretrained() if one.name in encoders.LEVELS)

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
        """Finds the pretrained weights that can be had, and declares the genes."""
        from kevo.tasks.images import usable_weights
        from kevo.tasks.masks.task import MaskTask

        usable, notes = usable_weights.found(
            spaces.of(settings), settings.weights, image_size=dataset.image_size, identity=identity
        )
        return MaskTask(dataset, settings, usable, notes=notes)

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
        from kevo.system.array_store import ArrayStore
        from kevo.tasks.images import usable_weights
        from kevo.tasks.images.features import FeatureCache
        from kevo.tasks.masks.trainer import MaskTrainer

        store = None if arguments["cache"] is None else ArrayStore(Path(arguments["cache"]))
        cache = FeatureCache(dataset, store=store, seed=settings.seed)
        usable = usable_weights.from_json(arguments["weights"])
        return MaskTrainer(dataset, settings, usable, cache=cache, strategy=strategy, leader=leader)

    def stage_data(self, dataset: ImageDataset, *, seed: int) -> StageData:
        """Returns crops and their masks; they are the same in every process."""
        from kevo.tasks.masks.stages import PreparedMasks
        from kevo.tasks.prepared import stages

        return stages.stage_data(PreparedMasks(dataset))

    def network_kind(self, genome: Genome) -> NetworkKind:
        """Returns the kind of its blocks, or whether it stands on a backbone."""
        if genome.get("family") == spaces.PRETRAINED:
            return _PRETRAINED
        return _KINDS[str(genome.get("unet/block", "conv"))]

    def network_name(self, genome: Genome) -> str:
        """Returns its kind in words; of a network on a backbone, that of the backbone."""
        return str(genome.get("backbone", self.network_kind(genome).words))

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
