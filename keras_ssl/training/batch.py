"""What a step is given: one dict per batch, whatever the user passed to `fit`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Tensor

BATCH_KEYS = ("x", "y", "index", "group")
"""The keys of a batch: `x` inputs (or a tuple of ready-made views), `y` labels (-1 = unlabelled), `index` the sample's
number in the data set, `group` its identity (patient, device, track ...)."""


def is_views(value: Any) -> bool:
    """Whether `x` is a tuple of ready-made views rather than one tensor."""
    return isinstance(value, tuple | list)


def as_batch(data: Any, required: Sequence[str] = ()) -> dict[str, Any]:
    """`data` of a data set's element, or of `fit`'s arguments, as a batch dict.

    Accepts a tensor, `(x,)`, `(x, y)`, a tuple of ready-made views, or a dict with the keys of `BATCH_KEYS`. A pair
    is read as `(x, y)` where its second part has fewer dimensions than its first (labels are one number each), and as
    two ready-made views where both have the same.

    Args:
        data: one element.
        required: keys that the objective needs besides `x`.

    Returns:
        A new dict.

    Raises:
        ValueError: for unknown keys, a missing required key, or a form that is none of the above.
    """
    if isinstance(data, dict):
        batch = dict(data)
    elif is_views(data):
        batch = _from_tuple(tuple(part for part in data if part is not None))
    else:
        batch = {"x": data}
    unknown = sorted(set(batch) - set(BATCH_KEYS))
    if unknown:
        raise ValueError(
            f"A batch may have the keys {', '.join(BATCH_KEYS)} and no others. Received: keys={sorted(batch)}"
        )
    missing = [key for key in ("x", *required) if batch.get(key) is None]
    if missing:
        raise ValueError(
            f"This objective needs the batch key{'s' if len(missing) > 1 else ''} "
            f"{', '.join(repr(key) for key in missing)}: give `fit` a dict of arrays, or a data set of dicts, that "
            f"has {'them' if len(missing) > 1 else 'it'}. Received: keys={sorted(batch)}"
        )
    return {key: value for key, value in batch.items() if value is not None}


def _from_tuple(parts: tuple[Any, ...]) -> dict[str, Any]:
    if len(parts) == 1:
        return dict(parts[0]) if isinstance(parts[0], dict) else {"x": parts[0]}
    if len(parts) == 2:
        first = parts[0][0] if is_views(parts[0]) else parts[0]
        if isinstance(first, dict):
            raise ValueError("A batch dict holds its labels under 'y'. Received: a pair of a dict and labels")
        if is_views(parts[0]) or len(parts[1].shape) < len(first.shape):
            return {"x": parts[0], "y": parts[1]}
    if len({len(part.shape) for part in parts}) == 1:
        return {"x": parts}
    raise ValueError(
        "A batch is a tensor, (x, y), a tuple of ready-made views, or a dict; sample weights have no meaning here. "
        f"Received: a tuple of tensors of shapes {[tuple(part.shape) for part in parts]}"
    )


def sample_count(batch: dict[str, Any]) -> Tensor:
    """Number of samples of a batch: an integer where it is known, else a scalar tensor."""
    first = batch["x"][0] if is_views(batch["x"]) else batch["x"]
    return keras.ops.shape(first)[0]


def check_inputs(x: Any, expected: tuple[int | None, ...]) -> None:
    """Checks rank, type and channels of `x`; shapes are known while a step is traced, so this costs nothing.

    Args:
        x: a tensor or array, or a tuple of ready-made views.
        expected: the encoder's input shape.

    Raises:
        ValueError: naming what does not fit.
    """
    for part in x if is_views(x) else (x,):
        shape = tuple(part.shape)
        dtype = str(part.dtype) if isinstance(part, np.ndarray) else keras.backend.standardize_dtype(part.dtype)
        if "float" not in dtype and "int" not in dtype:
            raise ValueError(f"`x` must hold integers or floating numbers. Received: dtype={dtype}")
        if len(shape) != len(expected):
            raise ValueError(
                f"`x` must have {len(expected)} dimensions, as the encoder's input {expected} has. "
                f"Received: x.shape={shape}"
            )
        for place, (have, want) in enumerate(zip(shape[1:], expected[1:], strict=True), start=1):
            if None not in (have, want) and have != want and (place == len(shape) - 1 or is_views(x)):
                what = f"{want} channels" if place == len(shape) - 1 else f"size {want} in dimension {place}"
                raise ValueError(f"`x` must have {what}, as the encoder's input has. Received: x.shape={shape}")
        if shape[0] == 1:
            raise ValueError(
                "A batch must hold at least two samples: objectives and batch normalisation compare samples with "
                f"one another. Received: x.shape={shape}"
            )


def as_arrays(x: Any, y: Any) -> dict[str, Any] | None:
    """The arguments of `fit` as arrays by batch key, or None where `x` is a data set."""
    if isinstance(x, dict):
        named = dict(x) if y is None else {**x, "y": y}
    elif is_views(x):
        parts = tuple(np.asarray(part) for part in x)
        named = as_batch(parts) if y is None else {"x": parts, "y": y}
    elif isinstance(x, np.ndarray) or keras.ops.is_tensor(x):
        named = {"x": x} if y is None else {"x": x, "y": y}
    else:
        return None
    return {
        key: tuple(np.asarray(part) for part in value) if is_views(value) and key == "x" else np.asarray(value)
        for key, value in named.items()
        if value is not None
    }


def split_arrays(arrays: dict[str, Any], fraction: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first and the last part of every array, the last of them `fraction` of all, as Keras splits."""
    if not 0 < fraction < 1:
        raise ValueError(f"`validation_split` must lie in (0, 1). Received: validation_split={fraction}")

    def cut(value: Any, part: slice) -> Any:
        return tuple(item[part] for item in value) if is_views(value) else value[part]

    first = arrays["x"][0] if is_views(arrays["x"]) else arrays["x"]
    held = int(len(first) * (1 - fraction))
    return (
        {key: cut(value, slice(None, held)) for key, value in arrays.items()},
        {key: cut(value, slice(held, None)) for key, value in arrays.items()},
    )
