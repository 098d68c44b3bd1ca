"""What the columns of a table hold: plain JSON, made from arrays or written by hand."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ssl.losses.numeric import check_integer

Columns = dict[str, dict[str, float | int]]


def columns_of(x: Mapping[str, Any], numeric: Sequence[str] = ()) -> Columns:
    """What the columns of a table hold, for `TabularTransformer`: mean and standard deviation, or number of categories.

    Floating columns are numeric. Integers and booleans are categories 0, 1, ... up to the largest found, unless
    `numeric` names the column. A column that never varies has the standard deviation 1.

    Args:
        x: the columns by name, arrays `[N]`: of the training data.
        numeric: names of integer columns that hold numbers. Defaults to none.

    Returns:
        For each column `{"mean": m, "std": s}` or `{"categories": c}`, in the order of `x`.

    Raises:
        ValueError: if a column is empty, not of rank 1, holds no numbers, NaN, infinity or negative categories, or
            `numeric` names no column.

    Example:

    >>> columns_of({"age": np.array([30.0, 50.0]), "job": np.array([2, 0])})
    {'age': {'mean': 40.0, 'std': 10.0}, 'job': {'categories': 3}}
    """
    unknown = sorted(set(numeric) - set(x))
    if unknown:
        raise ValueError(f"`numeric` must name columns of `x`. Received: numeric={unknown}")
    found: Columns = {}
    for name, values in x.items():
        array = np.asarray(values)
        if array.ndim != 1 or not array.size or array.dtype.kind not in "buif":
            raise ValueError(
                f"The column {name!r} must hold numbers [N]. "
                f"Received: x[{name!r}] of shape {array.shape} and dtype {array.dtype}"
            )
        if array.dtype.kind == "f" or name in numeric:
            mean, std = float(array.mean(dtype="float64")), float(array.std(dtype="float64"))
            if not math.isfinite(std):
                raise ValueError(f"The column {name!r} must be finite. Received: x[{name!r}] with NaN or infinity")
            found[name] = {"mean": mean, "std": std if std > 1e-7 * abs(mean) else 1.0}
        elif array.min() < 0:
            raise ValueError(
                f"Categories are numbered from 0; of a column of numbers, put its name into `numeric`. "
                f"Received: x[{name!r}] with {array.min()}"
            )
        else:
            found[name] = {"categories": int(array.max()) + 1}
    return found


def check_columns(columns: Mapping[str, Mapping[str, Any]]) -> Columns:
    """A checked copy of what the columns hold.

    Raises:
        ValueError: if there are none, a name is empty or has a slash, or a column is described otherwise than by
            `columns_of`.
    """
    if not isinstance(columns, Mapping) or not columns:
        raise ValueError(
            f"`columns` must describe at least one column, by its name. See `columns_of`. Received: columns={columns!r}"
        )
    checked: Columns = {}
    for name, column in columns.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(
                f"The name of a column must be a text without '/', which Keras keeps for paths. Received: {name!r}"
            )
        keys = set(column) if isinstance(column, Mapping) else None
        if keys == {"categories"}:
            checked[name] = {"categories": check_integer(f"columns[{name!r}].categories", column["categories"], 1)}
        elif keys == {"mean", "std"} and all(_is_number(column[key]) for key in ("mean", "std")) and column["std"] > 0:
            checked[name] = {"mean": float(column["mean"]), "std": float(column["std"])}
        else:
            raise ValueError(
                "A column must be described by a finite `mean` and a positive `std`, or by the number of its "
                f"`categories`. Received: columns[{name!r}]={column!r}"
            )
    return checked


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
