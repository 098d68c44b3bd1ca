"""What a step is given: one dict per batch, whatever the user passed to `fit`."""

from collections.abc import Mapping
from types import GeneratorType
from typing import Any

import keras
import numpy as np

from keras_ssl.data.one_label_each import one_label_each
from keras_ssl.training.fields import STANDARD_FIELDS, Field
from keras_ssl.typing import Tensor


def is_views(value: Any) -> bool:
    """Whether `x` is a tuple of ready-made views rather than one tensor."""
    return isinstance(value, tuple | list)


def as_batch(data: Any, fields: Mapping[str, Field] | None = None, columns: bool = False) -> dict[str, Any]:
    """`data` of a data set's element, or of `fit`'s arguments, as a batch dict.

    Accepts a tensor, `(x,)`, `(x, y)`, a tuple of precomputed views, or a dict with the keys `x`, `y`, `index`,
    `group` and those of `fields`. A pair is read as `(x, y)` where its second part has fewer dimensions than its
    first (labels are one number each), and as two precomputed views where both have the same.

    Args:
        data: one element.
        fields: what the objective reads besides `x`. Fields that are absent and have a value for that are filled.
        columns: whether `x` is a dict of columns, so that a dict whose `x` is none is `x` itself.

    Returns:
        A new dict.

    Raises:
        ValueError: for unknown keys, a missing field, one of the wrong shape or kind, or a form that is none of the
            above.
    """
    fields = fields or {}
    if isinstance(data, dict):
        batch = {"x": data} if columns and not _holds_columns(data) else dict(data)
    elif columns and is_views(data):
        batch = _from_columns(tuple(part for part in data if part is not None))
    elif is_views(data):
        batch = _from_tuple(tuple(part for part in data if part is not None))
    else:
        batch = {"x": data}
    known = dict.fromkeys(("x", *STANDARD_FIELDS, *fields))
    if set(batch) - set(known):
        raise ValueError(f"A batch may have the keys {', '.join(known)} and no others. Received: keys={sorted(batch)}")
    missing = [name for name in ("x", *(n for n, f in fields.items() if f.required)) if batch.get(name) is None]
    if missing:
        raise ValueError(
            f"This objective needs the batch key{'s' if len(missing) > 1 else ''} "
            f"{', '.join(repr(key) for key in missing)}: give `fit` a dict of arrays, or a data set of dicts, that "
            f"has {'them' if len(missing) > 1 else 'it'}. Received: keys={sorted(batch)}"
        )
    batch = {key: value for key, value in batch.items() if value is not None}
    labels, field = batch.get("y"), fields.get("y")
    # One-hot labels are none of the objective's business where it takes no labels.
    shape = getattr(labels, "shape", None)
    if shape is not None and (shape[1:] == (1,) or field is not None) and not (field and field.shape):
        batch["y"] = one_label_each("y", labels)
    for name, field in fields.items():
        if name in batch:
            field.check(name, batch[name])
        elif field.missing is not None:
            batch[name] = field.filled(sample_count(batch))
    return batch


def _holds_columns(data: dict[str, Any]) -> bool:
    """Whether a dict is a batch of columns, and not the columns themselves, one of which may be called x."""
    return isinstance(data.get("x"), dict)


def _from_columns(parts: tuple[Any, ...]) -> dict[str, Any]:
    if not 1 <= len(parts) <= 2 or not isinstance(parts[0], dict):
        raise ValueError(
            "A batch of columns is a dict of them, (columns, y), or a dict with the columns under 'x'; sample weights "
            f"are not supported. Received: a tuple of {len(parts)} parts of types {[type(p).__name__ for p in parts]}"
        )
    batch = dict(parts[0]) if _holds_columns(parts[0]) else {"x": parts[0]}
    return batch if len(parts) == 1 else {**batch, "y": parts[1]}


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
        "A batch is a tensor, (x, y), a tuple of ready-made views, or a dict; sample weights are not supported. "
        f"Received: a tuple of tensors of shapes {[tuple(part.shape) for part in parts]}"
    )


def holds_crops(batch: Mapping[str, Any]) -> bool:
    """Whether `x` is a tuple of random crops of each image, of which the rest of the views is still to be made."""
    return "box" in batch and is_views(batch["x"]) and not batch.get("finished", False)


def sample_count(batch: dict[str, Any]) -> Tensor:
    """Number of samples of a batch: an integer where it is known, else a scalar tensor."""
    first = batch["x"][0] if is_views(batch["x"]) else batch["x"]
    return keras.ops.shape(next(iter(first.values())) if isinstance(first, dict) else first)[0]


def check_inputs(x: Any, expected: tuple[int | None, ...], finished: bool = True) -> None:
    """Checks rank, type and channels of `x`; shapes are known while a step is traced, so this costs nothing.

    Args:
        x: a tensor or array, or a tuple of ready-made views.
        expected: the encoder's input shape.
        finished: whether ready-made views go to the encoder as they are, and must have its size. Defaults to True.

    Raises:
        ValueError: naming what does not fit.
    """
    for part in x if is_views(x) else (x,):
        shape = tuple(part.shape)
        dtype = _dtype(part)
        if "float" not in dtype and "int" not in dtype and dtype != "bool":
            raise ValueError(f"`x` must hold integers or floating numbers. Received: dtype={dtype}")
        if len(shape) != len(expected):
            single = is_views(x) and len(shape) == len(expected) - 1
            advice = " (`np.stack` makes one array of a list of images)" if single else ""
            raise ValueError(
                f"`x` must have {len(expected)} dimensions, as the encoder's input {expected} has{advice}. "
                f"Received: x.shape={shape}"
            )
        for place, (have, want) in enumerate(zip(shape[1:], expected[1:], strict=True), start=1):
            if None not in (have, want) and have != want and (place == len(shape) - 1 or (finished and is_views(x))):
                what = f"{want} channels" if place == len(shape) - 1 else f"size {want} in dimension {place}"
                raise ValueError(f"`x` must have {what}, as the encoder's input has. Received: x.shape={shape}")
        if shape[0] == 1:
            raise ValueError(
                "A batch must hold at least two samples: objectives and batch normalization compare samples with "
                f"one another. Received: x.shape={shape}"
            )


def check_columns(x: Any, expected: Mapping[str, Any], least: int = 2) -> None:
    """Checks the columns of a table: names, rank, type and length, as far as they are known while a step is traced.

    Args:
        x: a dict of tensors or arrays.
        expected: the encoder's inputs by name, tensors `[N]` with shape and type.
        least: number of samples that there must be. Defaults to 2.

    Raises:
        ValueError: naming the columns that are missing or unknown, or the one that does not fit.
    """
    if not isinstance(x, dict):
        raise ValueError(
            f"`x` must be a dict of the columns {_names(expected)}. Received: x of type {type(x).__name__}"
        )
    for what, names in (("lacks", set(expected) - set(x)), ("has unknown", set(x) - set(expected))):
        if names:
            raise ValueError(
                f"`x` must have the columns that the encoder takes, {_names(expected)}; it {what} "
                f"{_names(sorted(names))}. Received: x with the columns {_names(x)}"
            )
    for name, want in expected.items():
        shape, dtype = tuple(x[name].shape), _dtype(x[name])
        if len(shape) != len(want.shape) or any(
            b not in (None, a) for a, b in zip(shape[1:], want.shape[1:], strict=True)
        ):
            sizes = ", ".join(["N", *map(str, want.shape[1:])])
            raise ValueError(f"The column {name!r} must have the shape [{sizes}]. Received: x[{name!r}].shape={shape}")
        if "float" not in dtype and "int" not in dtype and dtype != "bool":
            raise ValueError(f"The column {name!r} must hold numbers. Received: x[{name!r}].dtype={dtype}")
        if "int" in keras.backend.standardize_dtype(want.dtype) and "float" in dtype:
            raise ValueError(
                f"The column {name!r} must hold integers, the numbers of categories. "
                f"Received: x[{name!r}].dtype={dtype}"
            )
    lengths = {name: column.shape[0] for name, column in x.items()}
    usual = next(iter(lengths.values()))
    odd = {name: length for name, length in lengths.items() if length != usual}
    if odd and None not in lengths.values():
        first = {next(iter(lengths)): usual}
        received = ", ".join(f"len(x[{name!r}])={length}" for name, length in {**first, **odd}.items())
        raise ValueError(f"All columns must hold the same number of samples. Received: {received}")
    if usual is not None and usual < least:
        raise ValueError(f"A batch must hold at least {least} samples. Received: columns of length {usual}")


def _names(names: Any) -> str:
    """Some names of columns, of which there may be hundreds."""
    shown = [repr(name) for name in names]
    return ", ".join(shown[:8]) + (f", ... ({len(shown)} in all)" if len(shown) > 8 else "")


def _dtype(array: Any) -> str:
    return str(array.dtype) if isinstance(array, np.ndarray) else keras.backend.standardize_dtype(array.dtype)


def as_arrays(x: Any, y: Any, columns: bool = False) -> dict[str, Any] | None:
    """The arguments of `fit` as arrays by batch key, or None where `x` is a data set.

    With `columns`, `x` is a dict of columns.
    """
    if columns and (isinstance(x, dict) or (is_views(x) and y is None)):
        named = as_batch(x if y is None else (x, y), columns=True)
    elif isinstance(x, dict):
        named = dict(x) if y is None else {**x, "y": y}
    elif is_views(x):
        parts = tuple(np.asarray(part) for part in x)
        named = as_batch(parts) if y is None else {"x": parts, "y": y}
    elif isinstance(x, np.ndarray) or keras.ops.is_tensor(x):
        named = {"x": x} if y is None else {"x": x, "y": y}
    else:
        return None
    return {key: _array(key, value) for key, value in named.items() if value is not None}


def _array(key: str, value: Any) -> Any:
    if key == "x" and isinstance(value, dict):
        return {name: np.asarray(column) for name, column in value.items()}
    return tuple(np.asarray(part) for part in value) if is_views(value) and key == "x" else np.asarray(value)


def in_tuples(data: Any) -> Any:
    """A Python generator whose batches Keras takes: it knows tuples alone, and prints any other batch as a whole."""
    if not isinstance(data, GeneratorType):
        return data
    return (tuple(batch) if is_views(batch) else (batch,) for batch in data)


def split_arrays(arrays: dict[str, Any], fraction: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first and the last part of every array, the last of them `fraction` of all, as Keras splits."""
    if not 0 < fraction < 1:
        raise ValueError(f"`validation_split` must lie in (0, 1). Received: validation_split={fraction}")

    def cut(value: Any, part: slice) -> Any:
        if isinstance(value, dict):
            return {name: column[part] for name, column in value.items()}
        return tuple(item[part] for item in value) if is_views(value) else value[part]

    held = int(sample_count(arrays) * (1 - fraction))
    return (
        {key: cut(value, slice(None, held)) for key, value in arrays.items()},
        {key: cut(value, slice(held, None)) for key, value in arrays.items()},
    )
