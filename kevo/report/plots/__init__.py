"""Figures of a search: fitness, costs, genes, learning curves, ancestry, and those of its task.

Every function turns records into a figure that stands alone: nothing is shown, pyplot's global state stays untouched.
`png` and `svg` turn a figure into what a file or a page holds.
"""

from kevo.report.plots.genes import gene_importance, parallel_coordinates
from kevo.report.plots.learning import learning_curves
from kevo.report.plots.rendering import png, svg
from kevo.report.plots.saving import save_all, save_front
from kevo.report.plots.search import fitness_by_generation, fitness_by_minute, seconds_by_generation
from kevo.report.plots.task_figures import task_figure
from kevo.report.plots.tradeoffs import front_of, parameters_against_score
from kevo.report.plots.tree import family_tree

__all__ = [
    "family_tree",
    "fitness_by_generation",
    "fitness_by_minute",
    "front_of",
    "gene_importance",
    "learning_curves",
    "parallel_coordinates",
    "parameters_against_score",
    "png",
    "save_all",
    "save_front",
    "seconds_by_generation",
    "svg",
    "task_figure",
]
