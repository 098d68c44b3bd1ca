"""A wider network that starts as a narrow one."""

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.merging.unit_groups import UnitGroup, UnitStructure, unit_structure
from keras_ssl.weights.arrays import check_built
from keras_ssl.weights.assign_weights import assign_weights
from keras_ssl.weights.named_weights import named_weights
from keras_ssl.weights.read_weights import read_weights

__all__ = ["grow_width"]

_METHODS = ("fpi", "aki")


def grow_width(small: keras.Model, large: keras.Model, method: str = "fpi", seed: int = 0) -> dict[str, np.ndarray]:
    r"""Gives a wide model weights that are made of a trained narrow one's.

    Of a group of :math:`n` units the wider one has :math:`m`. The first :math:`n` are the small model's, and each other
    is a copy of one drawn at random; :math:`g(j)` is the unit that unit :math:`j` copies, and :math:`c_i` how often
    unit :math:`i` is there. A kernel that reads units by the mapping :math:`g` and makes units by :math:`h` becomes

    .. math:: W'_{jk} = \frac{W_{g(j) h(k)}}{c_{g(j)}}

    and biases, scales and statistics are copied. Units that are added up, as along the shortcuts of a residual network,
    share a mapping.

    - "fpi" (function-preserving initialization) is that: the large model computes what the small one does. But copies
      that are alike get gradients that are alike, and stay so where nothing random tells them apart, such as dropout.
    - "aki" (advanced knowledge initialization) gives new units, for which :math:`k \ge n`, the weights of unit
      :math:`h(k)` of the next layer above of the same kind and shapes, with the normalization that goes with it. Its
      units differ, so that training can use the width, but what it computes at first is close to the small model only
      where neighboring layers do alike, as blocks of a deep residual network may; of a plain network, next to nothing
      is left. A layer without such a layer above, as where every layer is wider than the one before, gets copies.

    Layer normalization computes the same only where all units are there equally often: a group that it sees must grow
    by an integer factor, and each unit is copied alike.

    The inputs keep their width. Outputs may be wider, as the features of an encoder: with "fpi" they are copies,
    `features_large = features_small[..., g]`, and nothing is divided. A layer that reads them must divide by the counts
    itself: grow encoder and head as one model, or use the mapping that is returned.

    Args:
        small: a built, trained model, as for `weight_matching`.
        large: a built model made by the same code with larger widths; its weights are replaced.
        method: "fpi" (default) or "aki".
        seed: of the copies. Defaults to 0.

    Returns:
        For each group of the large model's units, by the first layer that makes them, the units of the small model that
        they copy, `[m]`.

    Raises:
        ValueError: if the models differ in more than widths, a group is not as wide in the large model or cannot grow,
            or an option is none of these; as `weight_matching`.

    Example:

    >>> small, large = keras_ssl.encoders.ConvNet((4, 8)), keras_ssl.encoders.ConvNet((6, 8))
    >>> mappings = grow_width(small, large)
    >>> mappings["block1_conv"][:4].tolist(), len(mappings["block1_conv"])
    ([0, 1, 2, 3], 6)
    >>> images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    >>> bool(np.allclose(small.predict(images, verbose=0), large.predict(images, verbose=0), atol=1e-5))
    True

    Reference: Chen et al., "bert2BERT: towards reusable pretrained language models", ACL 2022,
    https://arxiv.org/abs/2110.07143.
    """
    if method not in _METHODS:
        raise ValueError(f"`method` must be one of {', '.join(_METHODS)}. Received: method={method!r}")
    check_built("small", small)
    check_built("large", large)
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    before, pairs = _pairs(small, large)
    mappings = [_mapping(old, new, rng) for old, new in pairs]
    grown = read_weights(small)
    types = {name: array.dtype for name, array in grown.items()}
    for (old, _), mapping in zip(pairs, mappings, strict=True):
        counts = np.bincount(mapping, minlength=old.size)
        for axis in old.axes:
            if axis.role == "in":
                shape = [1] * grown[axis.weight].ndim
                shape[axis.axis] = -1
                divisors = np.tile(counts[mapping], axis.places).reshape(shape)
                grown[axis.weight] = grown[axis.weight].take(axis.indices(mapping, old.size), axis.axis) / divisors
    donors = _donors(before, grown) if method == "aki" else {}
    made = dict(grown)
    for (old, new), mapping in zip(pairs, mappings, strict=True):
        for axis in old.axes:
            if axis.role != "in":
                places = axis.indices(mapping, old.size)
                made[axis.weight] = made[axis.weight].take(places, axis.axis)
                if axis.weight in donors:
                    added = np.flatnonzero(np.tile(np.arange(new.size) >= old.size, axis.places))
                    others = grown[donors[axis.weight]].take(places[added], axis.axis)
                    np.moveaxis(made[axis.weight], axis.axis, 0)[added] = np.moveaxis(others, axis.axis, 0)
    _check_shapes(large, made)
    assign_weights(large, {name: array.astype(types[name]) for name, array in made.items()})
    return {new.name: mapping for (_, new), mapping in zip(pairs, mappings, strict=True) if not new.fixed}


def _pairs(small: keras.Model, large: keras.Model) -> tuple[UnitStructure, list[tuple[UnitGroup, UnitGroup]]]:
    """The structure of the small model, and its groups with those of the large one."""
    structures = unit_structure(small), unit_structure(large)
    old, new = ({group.axes: group for group in structure.groups} for structure in structures)
    names = sorted(named_weights(small).keys() ^ named_weights(large).keys())
    if names or old.keys() != new.keys():
        differing = names or sorted({(old.get(axes) or new[axes]).name for axes in old.keys() ^ new.keys()})
        raise ValueError(
            "`large` must be made as `small` is, but for widths. Received: "
            f"large={large.name!r}; not in both: {', '.join(differing[:5])}"
        )
    return structures[0], [(group, new[axes]) for axes, group in old.items()]


def _mapping(old: UnitGroup, new: UnitGroup, rng: np.random.Generator) -> np.ndarray:
    """Which unit of the small model each unit of the large one is."""
    kept, more = np.arange(old.size), new.size - old.size
    if more == 0:
        return kept
    of = f"{new.size} units of {new.name} instead of {old.size}"
    if new.fixed:
        raise ValueError(
            "`large` must have as many units as `small` where their order is fixed. Received: "
            f"{of}; fixed by {new.fixed}"
        )
    if more < 0:
        raise ValueError(f"`large` must be at least as wide as `small`. Received: {of}")
    if not new.mixed:
        return np.concatenate([kept, rng.integers(old.size, size=more)])
    if more % old.size:
        raise ValueError(
            "`large` must have a multiple of the units of `small` where a layer normalizes over them. Received: "
            f"{of}; normalized by {new.mixed}"
        )
    return np.concatenate([kept, *(rng.permutation(old.size) for _ in range(more // old.size))])


def _donors(structure: UnitStructure, grown: dict[str, np.ndarray]) -> dict[str, str]:
    """For each weight, that of the next chain of weights of the same kind; none where there is no such chain."""
    kinds = [tuple((name.rpartition("/")[2], grown[name].shape) for name in chain) for chain in structure.chains]
    donors: dict[str, str] = {}
    for place, chain in enumerate(structure.chains):
        for above in range(place + 1, len(kinds)):
            if kinds[above] == kinds[place]:
                donors |= dict(zip(chain, structure.chains[above], strict=True))
                break
    return donors


def _check_shapes(large: keras.Model, made: dict[str, np.ndarray]) -> None:
    """Raises where more differs than widths, such as the size of kernels."""
    for name, variable in named_weights(large).items():
        if tuple(variable.shape) != made[name].shape:
            raise ValueError(
                "`large` must be made as `small` is, but for widths. Received: "
                f"large={large.name!r}; {name} {tuple(variable.shape)} instead of {made[name].shape}"
            )
