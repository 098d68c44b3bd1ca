"""A deeper network whose blocks start as those of a shallow one."""

import re
from collections.abc import Iterable, Mapping

import keras

from keras_ssl.checkpoints.weight_problems import weight_problems
from keras_ssl.weights.arrays import check_built
from keras_ssl.weights.assign_weights import assign_weights
from keras_ssl.weights.named_weights import named_weights
from keras_ssl.weights.read_weights import read_weights

__all__ = ["grow_depth"]

_ORDERS = ("stack", "interleave")
Shapes = Mapping[str, tuple[int, ...]]
Block = tuple[str, str, str]
"""What stands before a block's number, the number, and what follows it in the name of a weight."""
Kind = tuple[str, frozenset[tuple[str, tuple[int, ...]]]]
"""What stands before the numbers of blocks, and what follows them in the names of weights, with their shapes."""


def grow_depth(small: keras.Model, large: keras.Model, order: str = "stack") -> dict[str, str]:
    r"""Gives a deep model the blocks of a shallow one, each several times.

    Of the :math:`M` blocks of a kind in the large model and :math:`L` in the small one, block :math:`i` (from 0) gets
    the weights of block

    .. math:: i \bmod L \quad \text{("stack")} \qquad \lfloor i L / M \rfloor \quad \text{("interleave")}

    Blocks are told by names: those whose weights differ in one number only, such as `block1_conv/kernel` and
    `block2_conv/kernel` or `stage2_block1_conv1/kernel` and `stage2_block2_conv1/kernel`, where the models have other
    numbers. Blocks are of one kind where the names and shapes of all their weights are the same: the first block of a
    stage, which is of other shapes, is no copy of a later one, nor they of it. Everything else keeps its name.

    The large model computes something else than the small one, and is to be trained further; measure the statistics of
    batch normalization anew (`keras_ssl.weights.recalibrate_batch_norm`). Layers that Keras named, as `dense_1`, are a
    block each, so that a layer and its normalization may come from different blocks: give names to those of a block.

    Args:
        small: a built, trained model of any layers.
        large: a built model made by the same code with more blocks; its weights are replaced.
        order: "stack" (default) or "interleave".

    Returns:
        The block of the small model for each block of the large one, by the names up to their numbers.

    Raises:
        ValueError: if a weight of the large model has none of its shape to start from, a kind has fewer blocks in the
            large model than in the small one, or `order` is none of these.

    Example:

    >>> small, large = keras_ssl.encoders.ConvNet((4, 4, 4)), keras_ssl.encoders.ConvNet((4, 4, 4, 4, 4))
    >>> grow_depth(small, large)
    {'block1': 'block1', 'block2': 'block2', 'block3': 'block3', 'block4': 'block2', 'block5': 'block3'}
    >>> grow_depth(small, large, order="interleave")
    {'block1': 'block1', 'block2': 'block2', 'block3': 'block2', 'block4': 'block3', 'block5': 'block3'}

    References: Chen et al., "bert2BERT: towards reusable pretrained language models", ACL 2022,
    https://arxiv.org/abs/2110.07143; for stacking, Gong et al., "Efficient training of BERT by progressively stacking",
    ICML 2019.
    """
    if order not in _ORDERS:
        raise ValueError(f"`order` must be one of {', '.join(_ORDERS)}. Received: order={order!r}")
    check_built("small", small)
    check_built("large", large)
    shapes = [
        {name: tuple(variable.shape) for name, variable in named_weights(model).items()} for model in (small, large)
    ]
    growing = _numbers(shapes[0]) ^ _numbers(shapes[1])
    old, new = (_kinds(model, {text for text, _ in growing}) for model in shapes)
    left = [text for key, texts in old.items() for text in texts[len(new.get(key, ())) :]]
    missing = [text for key, texts in new.items() if key not in old for text in texts]
    problems = weight_problems({"nothing in `small` has the shapes of": missing, "left over in `small`": left})
    if problems:
        raise ValueError(
            f"`large` must have the blocks of `small`, and more of them. Received: large={large.name!r}; {problems}"
        )
    source: dict[str, str] = {}
    blocks: dict[str, str] = {}
    for key, texts in new.items():
        count = len(old[key])
        for place, text in enumerate(texts):
            of = old[key][place % count if order == "stack" else place * count // len(texts)]
            source |= {text + rest: of + rest for rest, _ in key[1]}
            if key[0] != text:
                blocks[text] = of
    values = read_weights(small)
    assign_weights(large, {name: values[source[name]] for name in shapes[1]})
    return blocks


def _blocks(name: str) -> list[Block]:
    """What a name says of blocks, the outermost first."""
    path = name.rpartition("/")[0]
    return [(name[: m.start()], m.group(), name[m.end() :]) for m in re.finditer(r"\d+", path)]


def _numbers(names: Iterable[str]) -> set[tuple[str, str]]:
    """All numbers that follow a text in the names."""
    return {(before, number) for name in names for before, number, _ in _blocks(name)}


def _kinds(shapes: Shapes, growing: set[str]) -> dict[Kind, list[str]]:
    """The blocks of each kind, by number. A weight outside of all blocks is one by itself."""
    members: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
    alone = {}
    for name, shape in shapes.items():
        found = next((block for block in _blocks(name) if block[0] in growing), None)
        if found is None:
            alone[name] = shape
        else:
            members.setdefault(found[:2], {})[found[2]] = shape
    kinds: dict[Kind, list[str]] = {(name, frozenset({("", shape)})): [name] for name, shape in alone.items()}
    for (before, number), weights in sorted(members.items(), key=lambda item: (item[0][0], int(item[0][1]))):
        kinds.setdefault((f"{before}#", frozenset(weights.items())), []).append(f"{before}{number}")
    return kinds
