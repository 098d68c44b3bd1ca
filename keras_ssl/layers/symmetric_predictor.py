"""The predictor that DirectPred sets in closed form."""

from typing import Any

import keras
import numpy as np

from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

_CONVENTIONS = ("paper", "code")


def symmetric_matrix(correlation: Tensor, eps: float = 0.1, convention: str = "paper") -> Tensor:
    r"""The predictor `U diag(p) U^T` for a correlation matrix `F = U diag(s) U^T`.

    `p_j = sqrt(s_j) + eps max_j s_j` ("paper"), or `p_j = max(sqrt(s_j / max_j s_j) + eps, 1e-4)` ("code", what the
    authors released). The two differ in scale, which a normalized loss does not see, and in what `eps` means:
    "code" with `eps` is "paper" with `eps / sqrt(max_j s_j)`. Neither sign nor order of the eigenvectors matters.
    Eigenvalues within rounding of zero count as zero.

    Args:
        correlation: F, symmetric, `[D, D]`.
        eps: at least 0. Defaults to 0.1.
        convention: "paper" (default) or "code".

    Returns:
        `[D, D]`, symmetric and positive semidefinite; it commutes with F.
    """
    ops = keras.ops
    values, vectors = ops.linalg.eigh(0.5 * (correlation + ops.transpose(correlation)))
    largest = ops.maximum(ops.max(values), 0.0)
    # The root of an eigenvalue that is zero but for rounding would be 1000 times that rounding.
    floor = largest * (values.shape[0] * float(np.finfo("float32").eps))
    present = values > floor
    root = ops.where(present, ops.sqrt(ops.where(present, values, 1.0)), 0.0)
    if convention == "paper":
        scale = root + eps * largest
    else:
        positive = largest > 0.0
        relative = ops.where(positive, root / ops.sqrt(ops.where(positive, largest, 1.0)), 0.0)
        scale = ops.maximum(relative + eps, 1e-4)
    return ops.matmul(vectors * scale, ops.transpose(vectors))


@keras.saving.register_keras_serializable(package="keras_ssl")
class SymmetricPredictor(StateLayer):
    """A linear predictor that is not learned: `symmetric_matrix` of the running correlation of its inputs.

    `F = momentum F + (1 - momentum) mean_i z_i z_i^T` (the first batch gives F itself), float32, saved with the model.
    Before the first update the predictor is the identity.

    Args:
        width: D.
        momentum: weight of the past in F, in [0, 1). Defaults to 0.3, the paper's.
        eps: as for `symmetric_matrix`. Defaults to 0.1.
        convention: "paper" (default) or "code", as for `symmetric_matrix`.
        frequency: the predictor is set anew at every so many updates (F changes at each); 0 keeps it as it is.
            Defaults to 1.

    Input: `[N, D]`. Output: `[N, D]`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> predictor = SymmetricPredictor(2, eps=0.0)
    >>> predictor.update(np.array([[4.0, 0.0]], "float32"))
    >>> keras.ops.convert_to_numpy(predictor(np.ones((1, 2), "float32"))).tolist()
    [[4.0, 0.0]]

    Reference:
        Tian, Chen & Ganguli, "Understanding self-supervised Learning Dynamics without Contrastive Pairs", ICML 2021.
    """

    def __init__(
        self,
        width: int,
        momentum: float = 0.3,
        eps: float = 0.1,
        convention: str = "paper",
        frequency: int = 1,
        **kwargs: Any,
    ) -> None:
        # In float32 under every policy: half the digits of F are lost to the root.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must lie in [0, 1). Received: momentum={momentum}")
        if not eps >= 0:
            raise ValueError(f"`eps` must not be negative. Received: eps={eps}")
        if convention not in _CONVENTIONS:
            raise ValueError(f"`convention` must be one of {_CONVENTIONS}. Received: convention={convention!r}")
        for name, value, least in (("width", width, 1), ("frequency", frequency, 0)):
            check_integer(name, value, least)
        self.width, self.frequency = int(width), int(frequency)
        self.momentum, self.eps, self.convention = momentum, eps, convention
        shape = (self.width, self.width)
        self._correlation = self.add_weight(name="correlation", shape=shape, initializer="zeros", trainable=False)
        self._kernel = self.add_weight(name="kernel", shape=shape, initializer="identity", trainable=False)
        self._count = self.add_weight(
            name="count",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    @property
    def widths(self) -> tuple[int, ...]:
        """The width, as `MLPHead` gives its own."""
        return (self.width,)

    @property
    def correlation(self) -> Tensor:
        """F, `[D, D]`."""
        return keras.ops.convert_to_tensor(self._correlation)

    @property
    def kernel(self) -> Tensor:
        """The predictor's matrix, `[D, D]`."""
        return keras.ops.convert_to_tensor(self._kernel)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return keras.ops.matmul(inputs, keras.ops.stop_gradient(self.kernel))

    def update(self, inputs: Tensor, updated: Tensor | bool = True) -> None:
        """Takes the predictor's inputs `[N, D]` into F, and sets the predictor where it is due.

        Args:
            inputs: of the global batch.
            updated: where false, everything stays as it is.
        """
        ops = keras.ops
        inputs = ops.cast(inputs, self._correlation.dtype)
        rows = ops.cast(ops.shape(inputs)[0], inputs.dtype)
        batch = ops.matmul(ops.transpose(inputs), inputs) / rows
        old, count, kernel = self.correlation, ops.convert_to_tensor(self._count), self.kernel
        past = ops.where(count == 0, 0.0, self.momentum)
        new = past * old + (1.0 - past) * batch
        # Everything is computed before anything is assigned: on TensorFlow what was read follows its variable.
        values = [
            (self._correlation, ops.where(updated, new, old)),
            (self._count, ops.where(updated, count + 1, count)),
        ]
        if self.frequency:
            due = ops.logical_and(updated, ops.mod(count, self.frequency) == 0)
            values.append((self._kernel, ops.where(due, symmetric_matrix(new, self.eps, self.convention), kernel)))
        for weight, value in values:
            weight.assign(value)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
