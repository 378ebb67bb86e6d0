"""Pictures as rows of the table of tasks, one for each thing that may be asked; loads neither TensorFlow nor Keras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kevo.errors import SettingsError
from kevo.runs import layout
from kevo.system.text import byte_size
from kevo.tasks.images import describe as descriptions
from kevo.tasks.images import space as spaces
from kevo.tasks.images.genes import shared_extractor
from kevo.tasks.images.genome_check import check_genome
from kevo.tasks.images.inheritance import can_inherit
from kevo.tasks.images.rows import ROWS
from kevo.tasks.images.space import Space
from kevo.tasks.options import FIT, GROUPS, TARGET, is_crop
from kevo.tasks.outputs.asked import CLASSES, LABELS, MASKS, NUMBERS, Asked
from kevo.tasks.pages import Drawing, Pages
from kevo.tasks.protocols.export import InputSpec
from kevo.tasks.protocols.kind import NetworkKind, Pretrained, TaskKind, TaskOption
from kevo.tasks.protocols.scores import Scores
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.training import StageData
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kevo.runs.folder import Run
    from kevo.tasks.folded_trainer import FoldedTrainer
    from kevo.tasks.images.datasets import ImageDataset
    from kevo.tasks.images.exportable import ExportablePictureModel
    from kevo.tasks.images.predictor import PicturePredictor
    from kevo.tasks.images.task import ImageTask
    from kevo.tasks.images.task_trainer import ImageTrainer
    from tuners.settings import Settings as EvolutionSettings


_CONV = NetworkKind("c", "conv stack")
_FROZEN = NetworkKind("f", "frozen backbone")
_TUNED = NetworkKind("t", "fine-tuned backbone")


class Images:
    """Pictures in; one class of several, a number or any number of labels out.

    Args:
        asked: What is asked of a picture.
    """

    inputs = "images"
    example = "picture"
    examples = "pictures"
    presets = tuple(spaces.PRESETS)
    space_name = "kevo.Space"
    rung_genes: tuple[str, ...] = ("family", "pretrained/tuning")
    are_small = False
    inherits = True
    network_kinds: tuple[NetworkKind, ...] = (_CONV, _FROZEN, _TUNED)

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.name = ROWS[asked.word]
        self.asks = asked.word
        self.title = f"image {asked.word}"
        self.objectives = asked.objectives
        self.compared_scores: tuple[tuple[str, str], ...] = asked.compared_scores
        self.curves = asked.curves
        self.options: tuple[TaskOption, ...] = (GROUPS, FIT) if asked is CLASSES else (GROUPS, FIT, TARGET)

    def network_kind(self, genome: Genome) -> NetworkKind:
        """A network from scratch, or a pretrained backbone, frozen or fine-tuned."""
        if genome.get("family") != "pretrained":
            return _CONV
        return _FROZEN if genome.get("pretrained/tuning") == "frozen" else _TUNED

    def network_name(self, genome: Genome) -> str:
        """Returns the name of the backbone; of a network from scratch, that of its family."""
        return str(genome.get("backbone", genome.get("family", "")))

    def recognizes(self, data: Any) -> bool:
        """Returns whether it is a built-in data set of pictures, a folder, an archive, or a list of pictures."""
        from kevo.tasks.images.datasets import builtin, targets

        return (isinstance(data, str | Path) and builtin.is_meant(data)) or targets.holds_pictures(data)

    def suggested(self, data: Any, options: Mapping[str, str]) -> tuple[str, str]:
        """Suggests masks where there are such, numbers or labels where a CSV file or arrays hold them, else classes."""
        from kevo.tasks.images.datasets import builtin, pairs, targets

        asks, note = CLASSES.word, ""
        if (found := pairs.described(data)) is not None:
            asks, note = MASKS.word, f"{found}; --task {CLASSES.word} for classes."
        elif not (isinstance(data, str | Path) and builtin.is_meant(data)):
            asks, note = targets.suggested(data, target=options.get(TARGET.name), groups=options.get(GROUPS.name))
        if asks == CLASSES.word and TARGET.name in options:
            raise SettingsError(
                f"--{TARGET.name} names a column of numbers or labels. Expected the path of a .csv file of rows, or of "
                "pictures with such a column beside `path`. Classes of pictures are folders, or stand in the column "
                "`label`."
            )
        return asks, note

    def space(self, value: str | Mapping[str, Any] | object) -> Space:
        """A preset by its name, the space of JSON values, or the space itself."""
        return spaces.from_json(value)

    def breeding(self, settings: SearchSettings) -> EvolutionSettings | None:
        """Nothing: all presets are bred alike."""
        return None

    def varied(self, settings: SearchSettings) -> dict[str, tuple[Any, ...]]:
        """The values of each field of the space, with the backbones of the named weights."""
        found = spaces.of(settings)
        return {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}

    def check(self, settings: SearchSettings) -> None:
        """Raises a `KevoError` for an unknown preset, backbone, or way to make pictures square."""
        is_crop(settings.options.get(FIT.name))
        families = spaces.of(settings).families
        if settings.inherit and "conv" not in families:
            raise SettingsError(
                "Only conv stacks inherit their parent's weights, and the space has none: nothing would be inherited. "
                "Leave `inherit` out, or add the family 'conv' to the space."
            )

    def absolute(self, weights: Mapping[str, str]) -> dict[str, str]:
        """The same weights with absolute paths."""
        from kevo.tasks.images.backbones import named
        from kevo.tasks.images.pretrained_weights import absolute

        return {named(name): absolute(source) for name, source in weights.items()}

    def foreign(self, settings: SearchSettings) -> Sequence[str]:
        """Files of weights, and an expression for the paths of pictures."""
        found = [
            f"the weights {source} of {name}"
            for name, source in settings.weights.items()
            if source not in ("imagenet", "none")
        ]
        if (groups := settings.options.get(GROUPS.name)) is not None:
            found.append(f"the expression {groups!r} for groups of pictures")
        return found

    def source(self, data: Any) -> str | None:
        """The path or built-in name; `None` for data in memory."""
        from kevo.tasks.images.datasets import builtin

        if data is None:
            return builtin.DEFAULT_NAME
        if isinstance(data, str | Path):
            return str(data) if builtin.is_meant(data) else str(Path(data).resolve())
        return None

    def load(self, data: Any, settings: SearchSettings, *, seconds: float | None = None) -> ImageDataset:
        """Reads pictures; see `kevo.tasks.images.datasets.load`."""
        from kevo.tasks.images.datasets import load
        from kevo.tasks.images.datasets.targets import Targets
        from kevo.tasks.sampling import Sampling

        targets = Targets(self.asks, settings.options.get(TARGET.name))
        sampling = Sampling(settings.max_examples, seconds, settings.seed)
        return load(
            data,
            seed=settings.seed,
            groups=settings.options.get(GROUPS.name),
            targets=targets,
            sampling=sampling,
            num_folds=settings.folds,
            crop=is_crop(settings.options.get(FIT.name)),
        )

    def read(self, folder: Path) -> ImageDataset:
        """Maps the pictures that another process laid ready into memory."""
        from kevo.tasks.images.datasets import ImageDataset

        return ImageDataset.read(folder)

    def open(
        self, dataset: ImageDataset, settings: SearchSettings, *, identity: Mapping[str, Any] | None = None
    ) -> ImageTask:
        """Finds the pretrained weights that can be had, and declares the genes."""
        from kevo.tasks.images import usable_weights
        from kevo.tasks.images.task import ImageTask

        usable, notes = usable_weights.found(
            spaces.of(settings), settings.weights, image_size=dataset.image_size, identity=identity
        )
        return ImageTask(dataset, settings, usable, notes=notes)

    def trainer(
        self,
        dataset: ImageDataset,
        settings: SearchSettings,
        arguments: Mapping[str, Any],
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: Any = None,
    ) -> ImageTrainer | FoldedTrainer:
        """The trainer of a worker process."""
        from kevo.tasks.images import task_trainer

        return task_trainer.from_arguments(dataset, settings, arguments, strategy=strategy, leader=leader)

    def stage_data(self, dataset: ImageDataset, *, seed: int) -> StageData:
        """Pictures at the network's size, and their classes."""
        from kevo.tasks.images import stages

        return stages.stage_data(dataset, seed=seed)

    def input_specs(self, model: keras.Model) -> Sequence[InputSpec]:
        """Pixels 0-255 of any height and width."""
        return [InputSpec("", np.uint8, (-1, -1, -1, 3))]

    def pages(self) -> Pages:
        """The pages of pictures."""
        from kevo.tasks.images.pages import PAGES

        return PAGES[self.asks]

    def drawings(self, test: Any) -> Sequence[Drawing]:
        """The figures of what is asked."""
        return self._asked.drawings(test, self.examples)

    def predictor(
        self, path: str | Path, *, labels: str | Path | None = None, note: Callable[[str], object] | None = None
    ) -> PicturePredictor:
        """A saved model of pictures; there is never something to note."""
        from kevo.tasks.images.classifier import Classifier
        from kevo.tasks.images.predictor import PicturePredictor

        if self._asked is CLASSES:
            return Classifier.open(path, labels=labels)
        if labels is not None:
            raise SettingsError(
                f"The {layout.TASK} beside {path} says what it answers. Received other names: {labels}. Leave them out."
            )
        return PicturePredictor.open(path)

    def exportable(self, path: Path, *, run: Run | None = None, data: str | None = None) -> ExportablePictureModel:
        """A saved model, and pictures to try an export on."""
        from kevo.tasks.images.exportable import ExportablePictureModel

        return ExportablePictureModel.open(path, run=run, data=data)

    def pretrained(self) -> Iterator[Pretrained]:
        """The backbones."""
        from kevo.tasks.images import pretrained_weights
        from kevo.tasks.images.backbones import BACKBONES

        for row in BACKBONES.values():
            yield Pretrained(
                name=row.name,
                num_parameters=row.common.num_parameters,
                top_1=row.top_1,
                is_cached=pretrained_weights.is_cached(row.common),
                min_size=row.min_size,
                widths=row.alphas,
                cut_points=row.cut_points,
            )

    def findings(self) -> Iterator[tuple[str, str]]:
        """The features of frozen backbones that earlier searches have left."""
        from kevo.tasks.images.features import default_folder

        folder = default_folder()
        kept = sum(path.stat().st_size for path in folder.glob("*.npy")) if folder.is_dir() else 0
        yield "features", f"{folder}, {byte_size(kept)}"
        cached = [one.name for one in self.pretrained() if one.is_cached]
        yield "weights", f"{', '.join(cached) or 'none'} in the cache of Keras; others are downloaded when first used"

    def describe(self, genome: Genome) -> str:
        """A genome in words."""
        return descriptions.describe(genome)

    def check_genome(self, genome: Genome) -> None:
        """Raises an error where it is no genome of pictures."""
        check_genome(genome)

    def extractor_key(self, genome: Genome) -> Hashable | None:
        """The frozen backbone with its cut, size and pooling."""
        return shared_extractor(genome)

    def can_inherit(self, parent: Genome, child: Genome) -> bool:
        """Conv stacks of the same kinds of layers; heads on frozen features cost nothing to begin anew."""
        return can_inherit(parent, child)

    def parse_scores(self, values: Mapping[str, Any]) -> Scores:
        """Reads the scores of what is asked."""
        return self._asked.parse_scores(values)


KIND: TaskKind[ImageDataset] = Images(CLASSES)
REGRESSION: TaskKind[ImageDataset] = Images(NUMBERS)
MULTILABEL: TaskKind[ImageDataset] = Images(LABELS)
