"""The forms in which labels come."""

from typing import Any


def one_label_each(name: str, labels: Any) -> Any:
    """Labels `[N]` of labels `[N]` or `[N, 1]`, an array or a tensor; `keras.datasets` gives the latter.

    Args:
        name: the argument's name, for messages.
        labels: an array or tensor; other shapes than these are handed back for the caller to judge.

    Raises:
        ValueError: if they are `[N, C]`, as one-hot labels are.

    Example:

    >>> import numpy as np
    >>> one_label_each("y", np.array([[3], [5]])).tolist()
    [3, 5]
    """
    if getattr(labels.shape, "rank", 0) is None:  # a tensor of TensorFlow that does not tell
        return labels
    shape = tuple(labels.shape)
    if len(shape) != 2:
        return labels
    if shape[1] == 1:
        return labels[:, 0]
    raise ValueError(
        f"Argument `{name}` must hold one label for each sample, [N]: of one-hot labels pass "
        f"`{name}.argmax(axis=1)`. Received: {name}.shape={shape}"
    )
