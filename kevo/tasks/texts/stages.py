"""The texts of a data set as networks see them: numbers of tokens."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.output import Output
from kevo.tasks.prepared import stages
from kevo.tasks.texts import components, networks, tokens
from kevo.tasks.texts.components import Components
from kevo.tasks.texts.dataset import TextDataset
from kevo.tasks.texts.genomes import has_components, has_vectors
from kevo.tasks.texts.networks import Counts
from kevo.tasks.texts.tokens import NUM_RESERVED, PADDING, Reading, Vocabulary
from kevo.training.answers import Answers
from tuners.genome import Genome

_MOST_KEPT = 2
"""Texts are kept as numbers for so many ways to read them."""
_PRIOR = 5.0
"""A token counts as if so many texts that are like all others had it too."""
_COMMON = 1e-3
"""A token that is this share of all counts half as much as the rarest: as in the experiments of Arora, Liang and Ma."""


class PreparedTexts:
    """The texts of a data set as networks see them, prepared once for all genomes that read them alike.

    Args:
        dataset: The texts.
    """

    def __init__(self, dataset: TextDataset) -> None:
        self._dataset = dataset
        self._vocabularies: dict[Reading, Vocabulary] = {}
        self._numbers: dict[Reading, dict[str, npt.NDArray[np.int32]]] = {}
        self._counts: dict[Reading, Counts] = {}
        self._components: dict[tuple[Any, ...], Components] = {}

    def size(self, genome: Genome) -> tuple[int, int]:
        """Returns how many tokens a genome's network knows, the reserved ones included, and how many it reads."""
        found = self._vocabulary(Reading.of(genome))
        num_tokens = min(len(found.tokens), int(genome["vocabulary"])) + NUM_RESERVED
        if genome["family"] == "bag":
            return num_tokens, found.length
        return num_tokens, max(1, round(float(genome.get("sequence/length", 1.0)) * found.usual_length))

    def reader(self, genome: Genome) -> keras.layers.Layer:
        """Returns the layer that makes numbers of texts for a genome's network."""
        how = Reading.of(genome)
        num_tokens, length = self.size(genome)
        return how.layer(self._vocabulary(how).tokens[: num_tokens - NUM_RESERVED], length=length)

    def features(self, genome: Genome, split: str) -> list[npt.NDArray[np.int32]]:
        """Returns the numbers of texts' tokens for a genome.

        Args:
            genome: The genome.
            split: `train`, `validation`, or what `split_to_learn` returned.

        Returns:
            One array for each part of the split, of shape (n, length).
        """
        num_tokens, length = self.size(genome)
        whole = [self._all(Reading.of(genome), part) for part in split.split("+")]
        return [tokens.limited(one, num_tokens=num_tokens - NUM_RESERVED, length=length) for one in whole]

    def answers(self, genome: Genome, split: str) -> Answers:
        """Returns the answers of a split for a genome."""
        return stages.answers(self._dataset, genome, split)

    def network(self, genome: Genome) -> keras.Model:
        """Returns the network of a genome with random weights, or those that counting gives."""
        num_tokens, length = self.size(genome)
        how = Reading.of(genome)
        if how not in self._counts:
            self._counts[how] = count(
                self._all(how, "train"),
                self._dataset.train.labels,
                self._dataset.output,
                num_tokens=len(self._vocabulary(how).tokens) + NUM_RESERVED,
            )
        whole = self._counts[how]
        known = Counts(*(one[:num_tokens] for one in (whole.weights, whole.rarities, whole.evidence)))
        return networks.network(
            genome,
            length=length,
            counts=known,
            output=self._dataset.output,
            vectors=self._vectors(genome, num_tokens),
            components=self._found(genome, known) if has_components(genome) else None,
        )

    def deployable(self, genome: Genome, network: keras.Model) -> keras.Model:
        """Returns a network as it is saved: texts in, outputs out."""
        return networks.deployable(network, self.reader(genome))

    def _vectors(self, genome: Genome, num_tokens: int) -> npt.NDArray[np.float32] | None:
        """Returns the pretrained vectors of the tokens that a genome's network knows; 0 for the reserved ones."""
        if self._dataset.vectors is None or not has_vectors(genome):
            return None
        known = self._dataset.vectors.table[: num_tokens - NUM_RESERVED]
        return np.concatenate([np.zeros((NUM_RESERVED, known.shape[1]), np.float32), known])

    def _found(self, genome: Genome, known: Counts) -> Components:
        """Returns the components for a genome; those that were used last are kept."""
        how, num = Reading.of(genome), int(genome["bag/units"])
        key = (how, genome["bag/weights"], len(known.weights), num)
        found = self._components.pop(key, None)
        if found is None:
            numbers = tokens.limited(
                self._all(how, "train"), num_tokens=len(known.weights) - NUM_RESERVED, length=self.size(genome)[1]
            )
            found = components.find(numbers, networks.token_weights(genome, known), num=num)
        self._components[key] = found
        while len(self._components) > _MOST_KEPT:
            del self._components[next(iter(self._components))]
        return found

    def _vocabulary(self, how: Reading) -> Vocabulary:
        if how not in self._vocabularies and how.are_pretrained and self._dataset.vectors is not None:
            # A text has as many words whatever is known of them.
            own = self._vocabulary(how._replace(are_pretrained=False))
            self._vocabularies[how] = own._replace(tokens=[*self._dataset.vectors.words])
        if how not in self._vocabularies:
            self._vocabularies[how], found = tokens.read(self._dataset.train.texts, how)
            self._numbers[how] = {"train": found}
            self._forget()
        return self._vocabularies[how]

    def _all(self, how: Reading, split: str) -> npt.NDArray[np.int32]:
        known = self._vocabulary(how)
        found = self._numbers[how] = self._numbers.pop(how, {})
        self._forget()
        if split not in found:
            found[split] = tokens.numbers(self._dataset.split(split).texts, how, known.tokens, length=known.length)
        return found[split]

    def _forget(self) -> None:
        """Keeps the readings that were used last: all of them may be more than the memory."""
        while len(self._numbers) > _MOST_KEPT:
            del self._numbers[next(iter(self._numbers))]


def count(numbers: npt.NDArray[np.int32], labels: npt.NDArray[Any], output: Output, *, num_tokens: int) -> Counts:
    """Counts in how many training texts each token is, and what these texts have in common.

    Args:
        numbers: The tokens of the texts, shape (n, length).
        labels: Their answers, shape (n,).
        output: What is asked.
        num_tokens: Number of tokens, the reserved ones included.
    """
    from scipy.sparse import csr_array

    num_texts, length = numbers.shape
    rows = np.repeat(np.arange(num_texts), length)
    is_in = csr_array((np.ones(numbers.size, np.float32), (rows, numbers.reshape(-1))), shape=(num_texts, num_tokens))
    is_in.data[:] = 1.0
    in_texts = np.asarray(is_in.sum(axis=0)).reshape(-1)
    weights = np.log((1 + num_texts) / (1 + in_texts)) + 1
    weights[:NUM_RESERVED] = 0
    num_each = np.bincount(numbers.reshape(-1), minlength=num_tokens)
    num_each[PADDING] = 0
    rarities = _COMMON / (_COMMON + num_each / max(1, num_each.sum()))
    rarities[:NUM_RESERVED] = 0
    if isinstance(output, Classes):
        of_class = np.eye(output.size, dtype=np.float32)[labels]
        logs = np.log(np.asarray(is_in.T @ of_class) + 1) - np.log(of_class.sum(axis=0) + 2)
        evidence = logs - logs.mean(axis=1, keepdims=True)
    else:
        scaled = (labels - labels.mean()) / labels.std()
        evidence = (np.asarray(is_in.T @ scaled) / (in_texts + _PRIOR)).reshape(-1, 1)
    evidence[:NUM_RESERVED] = 0
    return Counts(*(one.astype(np.float32) for one in (weights, rarities, evidence)))
