"""AdamW with moments for a few cosines of each matrix."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.optimizers.arguments import check_interval, check_optimizer_arguments
from keras_ssl.optimizers.dct_basis import dct_basis
from keras_ssl.optimizers.matrix_form import from_matrix, matrix_shape, to_matrix
from keras_ssl.typing import Tensor

__all__ = ["DCTLowRankAdamW"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class DCTLowRankAdamW(keras.optimizers.Optimizer):
    """AdamW in the few cosine directions in which a layer's gradient is largest: less state, and no SVD.

    For a matrix with gradient `G [n, m]`, `n >= m` (a wide matrix is transposed; of a kernel of higher rank all axes
    but the last are joined), with `D` the orthogonal matrix of the discrete cosine transform (`dct_basis(m)`):

        S = G D;  I = the r columns of S of largest norm;  A = S[:, I]
        M = beta_1 M + (1 - beta_1) A;  V = beta_2 V + (1 - beta_2) A^2
        W = W - learning_rate * (weight_decay * W + c M / (sqrt(V) + epsilon) D[:, I]^T)

    with Adam's correction `c = sqrt(1 - beta_2^t) / (1 - beta_1^t)`, as in `keras.optimizers.AdamW`. Of each matrix
    only the moments `[n, r]` and the indices `I` are stored. Where the choice of columns changes, a column that stays
    keeps its moments, and a new one begins with 0. Variables of one dimension or none take AdamW steps.

    Matrices of fewer than `rank` columns use all of them: full rank, Adam in the basis of the cosines. By the 2-norm no
    other r columns lose less of the gradient: `||G - A D[:, I]^T||^2` is the sum of the squared norms of the dropped
    columns. What is dropped is lost: a direction out of the chosen ones waits until its gradient is large.

    Memory of the moments, in float32: `8 r / m` bytes for each weight of a matrix, where AdamW takes 8; beside it one
    basis `[m, m]` for each different m, as a constant.

    Args:
        learning_rate: float of at least 0, schedule or callable. Defaults to 0.001.
        rank: r, a positive integer. Defaults to 128.
        beta_1: decay of the first moment, in [0, 1). Defaults to 0.9.
        beta_2: decay of the second moment, in [0, 1). Defaults to 0.999.
        epsilon: added to the root of the second moment, positive. Defaults to 1e-8.
        weight_decay: decoupled, at least 0; `exclude_from_weight_decay` works as in Keras. Defaults to 0.01.
        update_gap: steps between choices of the columns, a positive integer. Defaults to 1: at every step.
        norm: 2 or 1, of the columns that are compared. Defaults to 2, which loses least; the authors' code takes 1.
        carry_moments: whether a column that stays keeps its moments where the choice changes. With False the moments
            keep their places while the columns under them change, the default of the authors' code. Defaults to True.
        name: name of the optimizer. Defaults to "dct_low_rank_adamw".
        **kwargs: as for `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> optimizer = DCTLowRankAdamW(rank=4)
    >>> optimizer.build([keras.Variable(np.zeros((64, 32)))])
    >>> [tuple(variable.shape) for variable in optimizer.moments[0]]
    [(64, 4), (64, 4)]

    Reference: Modoranu et al., "SVD-Free Low-Rank Adaptive Gradient Optimization for Large Language Models", 2025,
    https://arxiv.org/abs/2505.17967.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rank: int = 128,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        update_gap: int = 1,
        norm: int = 2,
        carry_moments: bool = True,
        name: str = "dct_low_rank_adamw",
        **kwargs: Any,
    ) -> None:
        learning_rate = check_optimizer_arguments(learning_rate, kwargs)
        weight_decay = check_interval("weight_decay", weight_decay, "[0, inf)")
        if norm not in (1, 2):
            raise ValueError(f"`norm` must be 1 or 2. Received: norm={norm}")
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.rank = check_integer("rank", rank, 1)
        self.beta_1 = check_interval("beta_1", beta_1, "[0, 1)")
        self.beta_2 = check_interval("beta_2", beta_2, "[0, 1)")
        self.epsilon = check_interval("epsilon", epsilon, "(0, inf)")
        self.update_gap = check_integer("update_gap", update_gap, 1)
        self.norm = int(norm)
        self.carry_moments = bool(carry_moments)

    def build(self, variables: list[Any]) -> None:
        """Creates the moments of each variable, and for each matrix the places of its columns."""
        if self.built:
            return
        super().build(variables)
        self.moments: list[list[Any]] = []
        self.columns: list[Any] = []
        self._bases: dict[int, Tensor] = {}
        for number, variable in enumerate(variables):
            shape, columns = tuple(variable.shape), None
            if len(shape) > 1:
                rows, width = matrix_shape(shape)
                shape = (rows, min(self.rank, width))
                if width not in self._bases:
                    self._bases[width] = dct_basis(width).astype("float32")
                columns = self.add_variable(shape=(shape[1],), dtype="int32", name=f"columns_{number}")
            self.columns.append(columns)
            self.moments.append([self.add_variable(shape, name=f"{kind}_{number}") for kind in ("m", "v")])

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Moves one variable; all it looks at is this variable, its gradient and its state."""
        ops = keras.ops
        number = self._get_variable_index(variable)
        gradient = ops.cast(ops.convert_to_tensor(gradient, sparse=False), "float32")
        first, second = self.moments[number]
        old_first, old_second = ops.convert_to_tensor(first), ops.convert_to_tensor(second)
        if self.columns[number] is None:
            part = gradient
        else:
            matrix = to_matrix(gradient, variable.shape)
            basis = ops.convert_to_tensor(self._bases[int(matrix.shape[1])])
            turned = ops.matmul(matrix, basis)
            before = ops.convert_to_tensor(self.columns[number])
            chosen = self._chosen(turned, before)
            if self.carry_moments:
                stays = ops.cast(ops.equal(before[:, None], chosen[None, :]), "float32")
                old_first, old_second = ops.matmul(old_first, stays), ops.matmul(old_second, stays)
            self.assign(self.columns[number], chosen)
            part = ops.take(turned, chosen, axis=1)
        new_first = self.beta_1 * old_first + (1.0 - self.beta_1) * part
        new_second = self.beta_2 * old_second + (1.0 - self.beta_2) * ops.square(part)
        self.assign(first, new_first)
        self.assign(second, new_second)
        count = ops.cast(self.iterations + 1, "float32")
        correction = ops.sqrt(1.0 - ops.power(self.beta_2, count)) / (1.0 - ops.power(self.beta_1, count))
        step = correction * new_first / (ops.sqrt(new_second) + self.epsilon)
        if self.columns[number] is not None:
            step = from_matrix(ops.matmul(step, ops.transpose(ops.take(basis, chosen, axis=1))), variable.shape)
        step = ops.cast(learning_rate, "float32") * step
        self.assign_sub(variable, ops.cast(step, variable.dtype))

    def _chosen(self, turned: Tensor, before: Tensor) -> Tensor:
        """The columns of largest norm, in ascending order; between choices those of before."""
        ops = keras.ops
        size = ops.square(turned) if self.norm == 2 else ops.absolute(turned)
        largest = ops.sort(ops.top_k(ops.sum(size, axis=0), int(before.shape[0]))[1])
        largest = ops.cast(largest, "int32")
        if self.update_gap == 1:
            return largest
        anew = ops.equal(ops.mod(ops.cast(self.iterations, "int32"), self.update_gap), 0)
        return ops.where(anew, largest, before)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            rank=self.rank,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            update_gap=self.update_gap,
            norm=self.norm,
            carry_moments=self.carry_moments,
        )
        return config
