"""A genome in words."""

from __future__ import annotations

from kevo.tasks.images import backbones
from tuners.genome import Genome


def describe(genome: Genome) -> str:
    """Returns a genome in words.

    Example:
        >>> describe({"family": "conv", "conv/image_size": 8, "conv/num_blocks": 1, "conv/block_1/filters": 16,
        ...           "conv/block_1/kernel_size": 3, "conv/block_1/num_convs": 1, "conv/pooling": "max",
        ...           "conv/early_pooling": True, "conv/batch_norm": False, "conv/activation": "relu",
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
        blocks = []
        for block in range(1, int(genome["conv/num_blocks"]) + 1):
            filters, kernel, convs = (
                genome[f"conv/block_{block}/{gene}"] for gene in ("filters", "kernel_size", "num_convs")
            )
            blocks.append(f"{f'{convs} of ' if convs != 1 else ''}{filters}x{kernel}x{kernel}")
        norm = ", batch norm" if genome["conv/batch_norm"] else ""
        early = ", pooled early" if genome["conv/early_pooling"] and any(" of " in block for block in blocks) else ""
        summary = _summary_words(genome["conv/summary"])
        size = genome["conv/image_size"]
        decay = f", L2 {genome['conv/l2']:g}" if genome["conv/l2"] else ""
        if not blocks:
            return f"no convolution at {size} px, {summary}{decay}"
        return (
            f"conv stack {' > '.join(blocks)} at {size} px, {genome['conv/activation']}{norm}{early}{decay}, {summary}"
        )
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
    parts += [str(genome["schedule"]), f"batch {genome['batch_size']}"]
    if genome["label_smoothing"]:
        parts.append(f"label smoothing {genome['label_smoothing']:g}")
    return ", ".join(parts)
