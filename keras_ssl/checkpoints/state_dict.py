"""The weights inside a checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import CheckpointError, short
from keras_ssl.checkpoints.weight_problems import weight_problems

# A teacher stands before its student: it is the one that papers evaluate.
KEYS = ("state_dict", "model", "teacher", "target_encoder", "student", "encoder", "backbone")
PREFIXES = ("module.", "encoder_q.", "base_encoder.", "teacher_backbone.", "backbone.", "vit.")


def state_dict(tree: Any, keys: Sequence[str] = KEYS, prefixes: Sequence[str] = PREFIXES) -> dict[str, np.ndarray]:
    """The weights inside what `read_checkpoint` read, as arrays by the names of a plain encoder.

    From the outside in, it follows the first of `keys` under which there is a dict, until none is left. The dict
    that it comes to must hold arrays and nothing else. Then each of `prefixes` is taken from the front of the
    names that have it, until none has one. Other names stay: nothing is dropped, and what is not the encoder's
    (a projector, a queue, a second encoder) is for `map_weights` to account for.

    Args:
        tree: nested dicts.
        keys: the keys to follow, by preference. Defaults to those of common self-supervised projects, a teacher
            before its student.
        prefixes: of names. Defaults to those of parallel training, of MoCo's and other encoders with a head, and of
            lightly's teachers and vision transformers.

    Returns:
        Arrays by name, in the file's order.

    Raises:
        ValueError: if `keys` or `prefixes` is one text instead of several, or has an empty one.
        CheckpointError: if there are no weights, there is something else among them, or two names become the
            same.

    Example:

    >>> tree = {"epoch": 1, "state_dict": {"module.conv1.weight": np.ones(2), "module.fc.bias": np.ones(1)}}
    >>> list(state_dict(tree))
    ['conv1.weight', 'fc.bias']
    """
    for name, texts in (("keys", keys), ("prefixes", prefixes)):
        if isinstance(texts, str) or not all(texts):
            raise ValueError(f"`{name}` must be a sequence of texts, none empty. Received: {name}={texts!r}")
    followed = []
    while isinstance(tree, Mapping):
        key = next((key for key in keys if isinstance(tree.get(key), Mapping)), None)
        if key is None:
            break
        followed.append(key)
        tree = tree[key]
    where = f"under {'/'.join(followed)}" if followed else "at the top"
    if not isinstance(tree, Mapping) or not any(isinstance(value, np.ndarray) for value in tree.values()):
        has = [str(key) for key in tree] if isinstance(tree, Mapping) else [type(tree).__name__]
        raise CheckpointError(
            f"The checkpoint has no weights {where}; {weight_problems({'it has': has}) or 'it is empty'}. Name the "
            f"keys that lead to them{_with_weights(tree, followed)}. Received: keys={tuple(keys)}"
        )
    others = [str(key) for key, value in tree.items() if not isinstance(value, np.ndarray)]
    if others:
        raise CheckpointError(
            f"The checkpoint has other things among the weights {where}; {weight_problems({'no arrays': others})}. "
            f"Received: keys={tuple(keys)}"
        )
    weights: dict[str, np.ndarray] = {}
    for key, value in tree.items():
        name = _without(str(key), prefixes)
        if name in weights:
            raise CheckpointError(
                f"Two weights are called {short(name)} without their prefixes, one of them {short(key)}. Pass "
                "`prefixes` with the prefix of those that are meant. "
                f"Received: prefixes={tuple(prefixes)}"
            )
        weights[name] = value
    return weights


def _with_weights(tree: Any, followed: list[str]) -> str:
    """The argument `keys` that leads to arrays one level further down, for a message."""
    inside = tree.items() if isinstance(tree, Mapping) else ()
    for key, value in inside:
        if isinstance(key, str) and isinstance(value, Mapping):
            if any(isinstance(item, np.ndarray) for item in value.values()):
                return f": pass keys={(*followed, key)}"
    return ""


def _without(name: str, prefixes: Sequence[str]) -> str:
    while prefix := next((prefix for prefix in prefixes if name.startswith(prefix)), None):
        name = name.removeprefix(prefix)
    return name
