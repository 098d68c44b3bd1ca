"""A transformer over the columns of a table."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.encoders.column_tokens import ColumnTokens
from keras_ssl.encoders.table_columns import check_columns
from keras_ssl.encoders.token_encoder import kept_tokens
from keras_ssl.layers.transformer_block import TransformerBlock
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class TabularTransformer(keras.Model):
    """A transformer that maps the columns of a table, a dict of arrays `[N]`, to features `[N, D]`.

    Each column makes a token (see `ColumnTokens`), after registers ([REG]) that stand for no column. `depth` blocks
    follow (see `TransformerBlock`), and a last layer normalization. The features are the mean of the columns' tokens;
    the registers are dropped. It is a `TokenEncoder`: masked objectives encode some columns only.

    Layer names are `tokens`, `block1`, `block2`, ..., `norm`.

    Args:
        columns: what the columns hold, by name: `{"mean": m, "std": s}` of numbers, `{"categories": c}` of integers in
            [0, c). `columns_of` makes it from arrays. A missing value needs a category of its own, or a number in its
            place and a column that says so.
        width: width D of the tokens. Defaults to 64.
        depth: number of blocks. Defaults to 3.
        heads: number of heads, which must divide the width. Defaults to 4.
        mlp_ratio: width of a block's hidden layer over that of the tokens. Defaults to 4.
        registers: number of registers. Defaults to 1, T-JEPA's.
        name: name of the model. Defaults to "tabular_transformer".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> x = {"age": np.array([30.0, 52.0, 41.0]), "job": np.array([2, 0, 1])}
    >>> encoder = TabularTransformer(columns_of(x), width=16, depth=1)
    >>> tuple(encoder(x).shape)
    (3, 16)

    References: Gorishniy et al., NeurIPS 2021, https://arxiv.org/abs/2106.11959; Thimonier et al., "T-JEPA", ICLR 2025,
    https://arxiv.org/abs/2410.05016.
    """

    def __init__(
        self,
        columns: Mapping[str, Mapping[str, Any]],
        width: int = 64,
        depth: int = 3,
        heads: int = 4,
        mlp_ratio: float = 4.0,
        registers: int = 1,
        name: str = "tabular_transformer",
    ) -> None:
        table = check_columns(columns)
        width, depth, heads = (
            check_integer(key, value, 1) for key, value in (("width", width), ("depth", depth), ("heads", heads))
        )
        inputs = {
            column: keras.Input((), name=column, dtype="float32" if "std" in held else "int32")
            for column, held in table.items()
        }
        x = ColumnTokens(table, width, registers, name="tokens")(inputs)
        for number in range(1, depth + 1):
            x = TransformerBlock(heads, mlp_ratio, name=f"block{number}")(x)
        x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
        pool = keras.layers.GlobalAveragePooling1D(data_format="channels_last", name="pool")
        super().__init__(inputs=inputs, outputs=pool(x[:, registers:]), name=name)
        self.autocast = False  # numbers are standardized before they are rounded
        self.columns = table
        self.depth = depth
        self.heads = heads
        self.mlp_ratio = mlp_ratio
        self.prefix = int(registers)
        self.token_width = width

    def grid(self, input_shape: Any = None) -> tuple[int, ...]:
        """The number of columns, whatever the input."""
        return (len(self.columns),)

    def tokens(self, x: Mapping[str, Tensor]) -> Tensor:
        """Registers and the columns' tokens, before the first block."""
        return self.get_layer("tokens")(dict(x))

    def encode(self, tokens: Tensor, keep: Tensor | None = None, training: bool = False) -> Tensor:
        """Tokens after the last normalization; of the columns those that `keep [N, K]` numbers, None (default) all."""
        x = kept_tokens(tokens, self.prefix, keep)
        for number in range(1, self.depth + 1):
            x = self.get_layer(f"block{number}")(x)
        return self.get_layer("norm")(x)

    def pool(self, tokens: Tensor) -> Tensor:
        """The features of encoded tokens: the mean of those of columns."""
        return self.get_layer("pool")(tokens[:, self.prefix :])

    def check_values(self, x: Mapping[str, Any]) -> None:
        """Raises a `ValueError` that names column and sample where a category lies outside its column's."""
        for name, column in self.columns.items():
            if "categories" not in column:
                continue
            values = np.asarray(keras.ops.convert_to_numpy(x[name]))
            bad = (values < 0) | (values >= column["categories"])
            if bad.any():
                sample = int(bad.argmax())
                raise ValueError(
                    f"The column {name!r} must hold categories from 0 to {int(column['categories']) - 1}. "
                    f"Received: x[{name!r}] with {values[sample]} in sample {sample}"
                )

    def get_config(self) -> dict[str, Any]:
        return {
            "columns": {name: dict(column) for name, column in self.columns.items()},
            "width": self.token_width,
            "depth": self.depth,
            "heads": self.heads,
            "mlp_ratio": self.mlp_ratio,
            "registers": self.prefix,
            "name": self.name,
        }
