"""Which conv stacks can take over weights of others, told by genomes alone; `morphing` does it.

A child whose genes differ in how it is trained copies all (population-based training: Jaderberg et al. 2017,
arXiv:1711.09846).
"""

from __future__ import annotations

from tuners.genome import Genome

_LAYERS = ("conv/convolution", "conv/squeeze_excite", "conv/shortcut", "conv/summary")
"""Where these genes differ, most weights of the one network mean nothing in the other."""
_TRAINING = ("conv/l2", "conv/drop_path")
_SIZES = ("conv/image_size", "conv/height", "conv/width")
_HEAD = ("head/num_dense", "head/units")


def can_inherit(parent: Genome, child: Genome) -> bool:
    """Tells whether the conv stack of a genome can take over weights of another one's."""
    if not parent["family"] == child["family"] == "conv":
        return False
    if has_same_weights(parent, child):
        return True
    is_chain = not any(genome[name] for genome in (parent, child) for name in genome if "/from_" in name)
    is_plain = is_chain and not parent["conv/squeeze_excite"] and parent["conv/summary"] != "flatten"
    return is_plain and all(parent[name] == child[name] for name in _LAYERS)


def has_same_weights(parent: Genome, child: Genome) -> bool:
    """Tells whether the weights of two conv stacks are of the same shapes, and mean the same or nearly so."""
    names = {name for genome in (parent, child) for name in genome if name.startswith("conv/") or name in _HEAD}
    # A layer behind a flattened map has weights for each of its pixels.
    free = _TRAINING if parent["conv/summary"] == "flatten" else (*_TRAINING, *_SIZES)
    return all(parent.get(name) == child.get(name) for name in names.difference(free))
