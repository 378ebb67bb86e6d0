"""A genome in words."""

from __future__ import annotations

from kevo.tasks.images import backbones
from kevo.tasks.images.genes import connected, picture_shape
from kevo.training.evolution import EVOLUTION
from tuners.genome import Genome


def describe(genome: Genome) -> str:
    """Returns a genome in words.

    Example:
        >>> describe({"family": "conv", "conv/image_size": 8, "conv/num_blocks": 1, "conv/block_1/filters": 16,
        ...           "conv/block_1/kernel_size": 3, "conv/block_1/num_convs": 1, "conv/pooling": "max",
        ...           "conv/early_pooling": True, "conv/convolution": "full", "conv/squeeze_excite": False,
        ...           "conv/shortcut": False, "conv/batch_norm": False, "conv/activation": "relu",
        ...           "conv/summary": "average", "conv/l2": 0.0,
        ...           "head/num_dense": 0, "head/dropout": 0.0, "head/l2": 0.0, "augment": False, "mirror": False,
        ...           "optimizer": "adam", "learning_rate": 0.001, "schedule": "constant", "batch_size": 32,
        ...           "label_smoothing": 0.0})
        'conv stack 16x3x3 at 8 px, relu, average pooling; adam 0.001, constant, batch 32'
    """
    parts = [_describe_body(genome), _describe_head(genome), _describe_augmentation(genome), _describe_training(genome)]
    return "; ".join(part for part in parts if part)


def _describe_body(genome: Genome) -> str:
    if genome["family"] == "conv":
        return _describe_conv_stack(genome)
    name = str(genome["backbone"])
    row = backbones.get(name)
    cut = str(genome[f"{name}/cut"])
    alpha = genome.get(f"{name}/alpha")
    width = f" (alpha {alpha:g})" if isinstance(alpha, int | float) else ""
    where = "whole" if cut == row.cut_points[-1] else f"cut at {cut}"
    if genome["pretrained/tuning"] == "frozen":
        tuning = "frozen"
    else:
        blocks_to_tune = min(int(genome["fine_tune/num_blocks"]), row.cut_points.index(cut) + 1)
        first = row.cut_points[row.cut_points.index(cut) + 1 - blocks_to_tune]
        tuning = f"fine-tuned from {first} at {float(genome['fine_tune/learning_rate']):.2g}"
    summary = _summary_words(genome["pretrained/summary"])
    return f"{name}{width} at {genome['pretrained/image_size']} px, {where}, {tuning}, {summary}"


def _describe_conv_stack(genome: Genome) -> str:
    blocks = []
    for block in range(1, int(genome["conv/num_blocks"]) + 1):
        filters, kernel, convs = (
            genome[f"conv/block_{block}/{gene}"] for gene in ("filters", "kernel_size", "num_convs")
        )
        seen = " and ".join(str(earlier) for earlier in connected(genome, block))
        sees = f" (sees block {seen} too)" if seen else ""
        blocks.append(f"{f'{convs} of ' if convs != 1 else ''}{filters}x{kernel}x{kernel}{sees}")
    height, width = picture_shape(genome)
    summary, size = _summary_words(genome["conv/summary"]), width if width == height else f"{width} x {height}"
    decay = [f"L2 {genome['conv/l2']:g}"] if genome["conv/l2"] else []
    if not blocks:
        return ", ".join([f"no convolution at {size} px", summary, *decay])
    is_deep = any(" of " in block for block in blocks)
    parts = {
        str(genome["conv/activation"]): True,
        "batch norm": genome["conv/batch_norm"],
        "separable": genome["conv/convolution"] == "separable",
        "squeeze and excite": genome["conv/squeeze_excite"],
        "pooled early": genome["conv/early_pooling"] and is_deep and genome["conv/pooling"] != "none",
        "not pooled": genome["conv/pooling"] == "none",
        "shortcuts": genome["conv/shortcut"] and is_deep,
        f"drop path {genome.get('conv/drop_path', 0.0):g}": genome.get("conv/drop_path") and is_deep,
    }
    words = [word for word, is_so in parts.items() if is_so]
    return ", ".join([f"conv stack {' > '.join(blocks)} at {size} px", *words, *decay, summary])


def _summary_words(summary: object) -> str:
    return "flattened" if summary == "flatten" else f"{summary} pooling"


def _describe_head(genome: Genome) -> str:
    parts = []
    if genome["head/num_dense"]:
        parts.append(f"{genome['head/num_dense']} x dense {genome['head/units']}")
    if genome["head/dropout"]:
        parts.append(f"dropout {genome['head/dropout']:g}")
    if genome["head/l2"]:
        parts.append(f"L2 {genome['head/l2']:g}")
    return ", ".join(parts)


def _describe_augmentation(genome: Genome) -> str:
    words = [_describe_changes(genome), "seen from both sides" if genome["mirror"] else ""]
    return ", ".join(word for word in words if word)


def _describe_changes(genome: Genome) -> str:
    if not genome["augment"]:
        return ""
    parts = [] if genome["augment/flip"] == "none" else [f"{str(genome['augment/flip']).replace('_', ' ')} flip"]
    for gene in ("rotation", "zoom", "translation", "contrast"):
        if genome[f"augment/{gene}"]:
            parts.append(f"{gene} {genome[f'augment/{gene}']:g}")
    return f"augmented by {', '.join(parts)}" if parts else ""


def _describe_training(genome: Genome) -> str:
    rate = float(genome["sgd/learning_rate" if genome["optimizer"] == "sgd" else "learning_rate"])
    parts = [f"{genome['optimizer']} {rate:.2g}"]
    if genome.get("weight_decay"):
        parts.append(f"weight decay {genome['weight_decay']:g}")
    if genome["optimizer"] == EVOLUTION:
        parts.append(f"noise {genome['evolution/spread']:g}{', growing' if genome['evolution/grow'] else ''}")
    parts += [str(genome["schedule"]), f"batch {genome['batch_size']}"]
    if genome["label_smoothing"]:
        parts.append(f"label smoothing {genome['label_smoothing']:g}")
    return ", ".join(parts)
