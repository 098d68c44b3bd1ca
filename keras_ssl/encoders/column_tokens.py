"""From the columns of a table to the tokens of a transformer."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.table_columns import check_columns
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class ColumnTokens(keras.layers.Layer):
    """Makes a token of every column, and puts registers before them.

    A number x becomes `(x - mean) / std * scale + offset`, with two vectors for each column; a category becomes its
    row of a table. Standardization is in float32 under every policy. A sample with a category outside its column's
    becomes NaN.

    Weights, where there is something that needs them: `scale` and `offset` `[numeric columns, D]`, `rows` `[sum of
    categories, D]`, `registers` `[R, D]`.

    Args:
        columns: what the columns hold, by name, as `columns_of` makes it.
        width: width D of a token.
        registers: number R of tokens that stand for no column. Defaults to 1.
        **kwargs: `name`, `dtype`.

    Input: a dict of columns `[N]`. Output: `[N, R + T, D]`, the T columns in the order of `columns`.

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> layer = ColumnTokens({"age": {"mean": 40.0, "std": 12.0}, "job": {"categories": 5}}, width=8)
    >>> tuple(layer({"age": ops.array([30.0, 52.0]), "job": ops.array([0, 4])}).shape)
    (2, 3, 8)

    References: Gorishniy et al., "Revisiting deep learning models for tabular data", NeurIPS 2021,
    https://arxiv.org/abs/2106.11959 (tokens of columns).
    """

    def __init__(self, columns: Mapping[str, Mapping[str, Any]], width: int, registers: int = 1, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})  # numbers are standardized before they are rounded
        self.columns = check_columns(columns)
        self.width = check_integer("width", width, 1)
        self.registers_count = check_integer("registers", registers, 0)
        self._numeric = tuple(name for name, column in self.columns.items() if "std" in column)
        self._categorical = tuple(name for name, column in self.columns.items() if "std" not in column)

    def build(self, input_shape: Any) -> None:
        if self._numeric:
            self.scale = self._table("scale", len(self._numeric))
            self.offset = self._table("offset", len(self._numeric))
        if self._categorical:
            self.rows = self._table("rows", sum(int(self.columns[name]["categories"]) for name in self._categorical))
        if self.registers_count:
            self.registers = self._table("registers", self.registers_count)

    def _table(self, name: str, rows: int) -> keras.Variable:
        # Tokens of length about 1: larger than a vision transformer's, so that values show beside the residuals.
        return self.add_weight(name=name, shape=(rows, self.width), initializer=SmallNormal(self.width**-0.5))

    def call(self, x: Mapping[str, Tensor]) -> Tensor:
        parts = []
        if self._numeric:
            parts.append(self._of_numbers(x))
        if self._categorical:
            parts.append(self._of_categories(x))
        tokens = ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        if len(parts) > 1:
            made = [*self._numeric, *self._categorical]
            tokens = ops.take(tokens, np.array([made.index(name) for name in self.columns], "int32"), axis=1)
        if self.registers_count:
            registers = _float32(self.registers)
            registers = ops.broadcast_to(registers, (ops.shape(tokens)[0], *registers.shape))
            tokens = ops.concatenate([registers, tokens], axis=1)
        return ops.cast(tokens, self.compute_dtype)

    def _of_numbers(self, x: Mapping[str, Tensor]) -> Tensor:
        means, stds = ([self.columns[name][key] for name in self._numeric] for key in ("mean", "std"))
        values = ops.stack([ops.cast(x[name], "float32") for name in self._numeric], axis=1)
        values = (values - np.array(means, "float32")) / np.array(stds, "float32")
        return ops.expand_dims(values, 2) * _float32(self.scale) + _float32(self.offset)

    def _of_categories(self, x: Mapping[str, Tensor]) -> Tensor:
        counts = np.array([self.columns[name]["categories"] for name in self._categorical], "int32")
        first = np.cumsum(counts) - counts
        values = ops.stack([ops.cast(x[name], "int32") for name in self._categorical], axis=1)
        inside = ops.logical_and(values >= 0, values < counts)
        places = ops.clip(values, 0, counts - 1) + first.astype("int32")
        # Of a product, not of the weight itself, TensorFlow's gradient is dense, as sums over replicas need it.
        rows = ops.take(1.0 * _float32(self.rows), places, axis=0)
        return ops.where(ops.expand_dims(inside, 2), rows, float("nan"))

    def compute_output_shape(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> tuple[int | None, ...]:
        batch = next(iter(input_shape.values()))[0]
        return (batch, self.registers_count + len(self.columns), self.width)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        columns = {name: dict(column) for name, column in self.columns.items()}
        return {**config, "columns": columns, "width": self.width, "registers": self.registers_count}


def _float32(weight: keras.Variable) -> Tensor:
    """A weight, whatever the policy that a model casts weights to."""
    return ops.cast(ops.convert_to_tensor(weight), "float32")
