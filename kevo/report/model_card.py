"""The model card: what a model is, how good it was on which pictures, what it cannot know, and how it is loaded.

Its sections are those of Mitchell et al. 2019, "Model cards for model reporting", doi:10.1145/3287560.3287596.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from kevo.progress.trackers.energy import WORLD, Energy
from kevo.runs import layout
from kevo.runs.atomic_files import atomic_write_text
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.system import versions
from kevo.system.markdown import code, table
from kevo.system.text import byte_size, duration
from kevo.tasks.images.cache_savings import Naive
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.datasets.dataset import SPLITS
from kevo.tasks.images.space import image_size
from kevo.tasks.outputs.classes.evaluation import Evaluation

_MAX_CLASSES = 200
"""How many classes have a line of their own."""
_LOAD = f"""\
import json

import keras
import numpy as np
from PIL import Image, ImageOps

class_names = json.load(open("{layout.LABELS}", encoding="utf-8"))
model = keras.models.load_model("{layout.MODEL}", safe_mode=True)
picture = ImageOps.exif_transpose(Image.open("picture.jpg")).convert("RGB")
probabilities = model.predict(np.asarray(picture)[None], verbose=0)[0]
print(class_names[probabilities.argmax()], probabilities.max())
"""


def write(
    run: Run,
    dataset: ImageDataset,
    result: Outcome,
    *,
    flops: float | None = None,
    energy: Energy | None = None,
    naive: Naive | None = None,
) -> None:
    """Writes the card of the best model into the run folder.

    Args:
        run: The run folder.
        dataset: The pictures.
        result: What the search found.
        flops: What a prediction costs, in floating-point operations; `None` if nobody knows.
        energy: What the search took, if that was measured.
        naive: What it would have cost without the cache of features, if that could be estimated.

    Raises:
        RunError: the folder cannot be written.
    """
    atomic_write_text(run.path / layout.MODEL_CARD, card(run, dataset, result, flops=flops, energy=energy, naive=naive))


def card(
    run: Run,
    dataset: ImageDataset,
    result: Outcome,
    *,
    flops: float | None = None,
    energy: Energy | None = None,
    naive: Naive | None = None,
) -> str:
    """Returns the card in Markdown; see `write`. Names that come from anywhere mean nothing in it."""
    sections = {
        f"Model card: pictures of {code(dataset.name)} in {dataset.num_classes} classes": _summary(dataset, result),
        "Model details": _details(run, result, flops),
        "How to load it": _loading(result),
        "Intended use": _use(dataset, result),
        "Factors": _factors(dataset, result),
        "Metrics": _metrics(result),
        "Evaluation data": _evaluation_data(dataset, result),
        "Training data": _training_data(dataset, result),
        "Quantitative analyses": _analyses(result),
        "Ethical considerations": _ethics(),
        "Caveats and recommendations": _caveats(dataset, result),
        "What the search cost": _cost(result, energy, naive),
    }
    parts = []
    for level, (title, lines) in enumerate(sections.items()):
        parts += [f"{'#' if level == 0 else '##'} {title}", *lines]
    return "\n\n".join(parts) + "\n"


def _summary(dataset: ImageDataset, result: Outcome) -> Iterator[str]:
    yield (
        f"**Accuracy {_percent(result.test.accuracy)} on {result.test.num_examples} test pictures** "
        f"({_interval(result.test)}) that played no part in training or choosing the model. Evolved by kevo, "
        f"{date.today().isoformat()}."
    )


def _details(run: Run, result: Outcome, flops: float | None) -> Iterator[str]:
    yield f"- In words: {code(result.words)}"
    size = f"{result.num_parameters:,} parameters, {byte_size((run.path / result.model_path.name).stat().st_size)}"
    if flops is not None:
        size += f", {flops:,.0f} floating-point operations for each picture"
    yield f"- Size: {size}"
    yield (
        "- Takes raw RGB pixels 0-255 of shape (pictures, any height, any width, 3), and returns a probability for "
        f"each class. It sees each picture as a square of {image_size(result.genome)} pixels: the proportions of "
        "others are distorted, as they were in training."
    )
    if result.ensemble is not None:
        members = len(result.ensemble.members)
        yield (
            f"- Beside it stands {code(result.ensemble.model_path.name)}, {members} models as one, with an accuracy of "
            f"{_percent(result.ensemble.test.accuracy)} on the same test pictures ({_interval(result.ensemble.test)}). "
            "This card is about the single model."
        )
    yield f"- Made with {', '.join(map(' '.join, versions.installed().items()))}"
    genome = {str(gene): str(value) for gene, value in result.genome.items()}
    yield f"The genes:\n\n{table(['gene', 'value'], ([code(gene), code(value)] for gene, value in genome.items()))}"


def _loading(result: Outcome) -> Iterator[str]:
    yield f"In the folder of this card, without kevo:\n\n```python\n{_LOAD}```"


def _use(dataset: ImageDataset, result: Outcome) -> Iterator[str]:
    yield (
        f"To tell which of {dataset.num_classes} classes a picture belongs to, for pictures like those it was measured "
        "on. It always answers with one of these classes, also for a picture of something else: its probability is no "
        "sign that a picture belongs to any of them."
    )
    names = ", ".join(map(code, dataset.class_names[:_MAX_CLASSES]))
    more = dataset.num_classes - _MAX_CLASSES
    yield f"The classes, in the order of the outputs: {names}{f' and {more} more' if more > 0 else ''}."
    yield (
        "Out of scope: decisions about people, and any use in which a wrong answer does harm, unless it was measured "
        "there before."
    )


def _factors(dataset: ImageDataset, result: Outcome) -> Iterator[str]:
    yield (
        "Results are told apart by class only. Whatever else may matter (light, camera, season, place, who took the "
        "pictures) is not known of them, so that nobody has looked whether the model is worse for some."
    )


def _metrics(result: Outcome) -> Iterator[str]:
    yield (
        "Accuracy is the share of pictures whose likeliest class is the true one; its interval (Wilson 1927, "
        "doi:10.1080/01621459.1927.10502953) knows of chance in the choice of the pictures, and of nothing else. "
        "Balanced accuracy and macro F1 count every class the same. Cross-entropy is lower for probabilities that are "
        "sure where they are right, and unsure where not."
    )


def _evaluation_data(dataset: ImageDataset, result: Outcome) -> Iterator[str]:
    yield (
        f"{len(dataset.test)} test pictures, {_origin(dataset, 'test')} They were looked at once, when all was decided."
    )


def _training_data(dataset: ImageDataset, result: Outcome) -> Iterator[str]:
    learned = "It learned from the training and the validation pictures" if result.is_refit else ""
    yield (
        f"{code(dataset.name)}: {len(dataset.train)} training pictures and {len(dataset.validation)} validation "
        f"pictures, {_origin(dataset, 'validation')} They are kept as squares of {dataset.image_size} pixels. "
        + (
            f"{learned}: a like model that had learned from the training pictures only was chosen by the validation "
            "pictures."
            if result.is_refit
            else "It learned from the training pictures; the validation pictures chose it among the candidates."
        )
    )
    counts = [np.bincount(getattr(dataset, split).labels, minlength=dataset.num_classes) for split in SPLITS]
    shown = dataset.class_names[:_MAX_CLASSES]
    rows = ([code(name), *(str(one[label]) for one in counts)] for label, name in enumerate(shown))
    total = ["all", *(str(one.sum()) for one in counts)]
    yield f"Pictures in each split:\n\n{table(['class', *SPLITS], [*rows, total])}"
    if not dataset.skipped:
        yield "No file was skipped."
        return
    reasons = Counter(skipped.reason for skipped in dataset.skipped)
    listed = "\n".join(f"- {num} of {code(reason)}" for reason, num in reasons.most_common(10))
    yield f"{len(dataset.skipped)} files could not be used, for reasons such as:\n\n{listed}"


def _analyses(result: Outcome) -> Iterator[str]:
    splits = [("test", result.test), ("validation", result.validation)]
    yield table(
        ["", *(split for split, _ in splits)],
        [
            ["pictures", *(str(scores.num_examples) for _, scores in splits)],
            ["accuracy", *(_percent(scores.accuracy) for _, scores in splits)],
            ["95 % interval", *(" to ".join(map(_percent, scores.interval)) for _, scores in splits)],
            ["balanced accuracy", *(_percent(scores.balanced_accuracy) for _, scores in splits)],
            ["macro F1", *(f"{scores.macro_f1:.4f}" for _, scores in splits)],
            ["cross-entropy", *(f"{scores.cross_entropy:.4f}" for _, scores in splits)],
        ],
    )
    like = (
        "The validation pictures chose the model, and its scores on them are too good for that reason. The scores of "
        + ("its like that had not learned from them stand here." if result.is_refit else "the test pictures count.")
    )
    yield like
    names = list(result.test.support)[:_MAX_CLASSES]
    yield "By class, on the test pictures:\n\n" + table(
        ["class", "pictures", "precision", "recall"],
        (
            [
                code(name),
                str(result.test.support[name]),
                f"{result.test.precision[name]:.3f}",
                f"{result.test.recall[name]:.3f}",
            ]
            for name in names
        ),
    )
    if confused := _confused(result.test):
        yield "Most often taken for another:\n\n" + "\n".join(confused)


def _ethics() -> Iterator[str]:
    yield (
        "kevo does not know what the pictures show, who is in them, how they were come by, or who is affected by the "
        "answers. Whoever uses the model answers for that. What is wrong or one-sided in the pictures and their labels "
        "the model has learned, and the test pictures share it."
    )


def _caveats(dataset: ImageDataset, result: Outcome) -> Iterator[str]:
    lines = [
        "The model knows these classes only, and only as these pictures show them.",
        "Its scores hold for pictures from the same source. Measure it on pictures of your own before you rely on it.",
        "Its probabilities are not calibrated.",
    ]
    if "test" in dataset.made_splits:
        lines.append(
            "The test pictures were taken out of the same collection by chance. Pictures of one scene, object or "
            "person may stand on both sides, unless they are identical: then the scores are too good."
        )
    scarce = [name for name, num in result.test.support.items() if num < 30]
    if scarce:
        lines.append(
            f"{len(scarce)} of {dataset.num_classes} classes have fewer than 30 test pictures: their rows say little."
        )
    if result.interrupted:
        lines.append("The search was interrupted: if it goes on it may find a better model.")
    yield "\n".join(f"- {line}" for line in lines)


def _cost(result: Outcome, energy: Energy | None, naive: Naive | None) -> Iterator[str]:
    yield (
        f"{duration(result.seconds)} for {result.trials_completed} candidates, and {result.trials_failed} that failed. "
        "What was spent on making pretrained weights is not counted."
    )
    if energy is not None:
        yield _energy(result, energy)
    if naive is None:
        return
    if not naive.saved_seconds:
        yield (
            "Features of frozen backbones are computed once for all candidates. This search had none that trained on "
            "them for more than an epoch, so that this saved nothing."
        )
        return
    power = ""
    if energy is not None and energy.seconds:
        # Trainings side by side share the machine.
        num_parallel = max(1.0, naive.candidate_seconds / result.seconds)
        factor = 1 + naive.saved_seconds / num_parallel / energy.seconds
        power = (
            f". The search would have taken {energy.kwh * factor:.3g} kWh and {energy.kg_co2e * factor:.3g} kg of "
            "CO2-equivalent, if the power had been the same"
        )
    yield (
        f"The same candidates without the cache of features would have trained for at least "
        f"{duration(naive.candidate_seconds + naive.saved_seconds)} instead of {duration(naive.candidate_seconds)}, "
        f"{naive.factor:.1f} times as long{power}. This is an estimate from below: {naive.passes:,} times more a "
        "picture would have gone through a frozen network, in every epoch but the first of each training, at the speed "
        "that was measured in this search; nothing else is taken to be slower."
    )


def _energy(result: Outcome, energy: Energy) -> str:
    where = "the world's average" if energy.country == WORLD else f"the electricity of {code(energy.country)}"
    share = energy.seconds / result.seconds if result.seconds else 1.0
    part = f" (measured for {duration(energy.seconds)} of them)" if abs(share - 1) > 0.1 else ""
    how = (
        f"The processor's power was measured by {code(energy.meter)}"
        if energy.meter is not None
        else "Nothing on this machine tells the processor's power: it is an estimate from its load and its rated "
        "power, and may be wrong by a multiple"
    )
    gpus = f", that of the GPUs ({code(energy.gpus)}) by their driver" if energy.gpus else ""
    return (
        f"Energy: {energy.kwh:.3g} kWh, {energy.kg_co2e:.3g} kg of CO2-equivalent with {where}{part}, for the whole "
        f"machine ({code(energy.processor)}), by CodeCarbon {code(energy.codecarbon)}. {how}{gpus}; memory counts by "
        "its size."
    )


def _origin(dataset: ImageDataset, split: str) -> str:
    if split in dataset.made_splits:
        return (
            "taken by chance out of the training pictures, the same part of every class; identical pictures of a class "
            "stayed together."
        )
    return "as the source divided them."


def _confused(scores: Evaluation) -> Sequence[str]:
    names = list(scores.support)
    pairs = [
        (num, true, predicted)
        for true, row in enumerate(scores.confusion)
        for predicted, num in enumerate(row)
        if num and true != predicted
    ]
    # `sorted` is stable: equals stay in the order of the classes.
    worst = sorted(pairs, key=lambda pair: -pair[0])[:5]
    return [f"- {code(names[true])} for {code(names[predicted])}: {num}" for num, true, predicted in worst]


def _interval(scores: Evaluation) -> str:
    return f"95 % interval {' to '.join(map(_percent, scores.interval))}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
