"""Projected gradient ascent on the margins of a classifier."""

import math
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.robust.smooth_adversarial_comp_sum_loss import margin_change
from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor

__all__ = ["MarginAttack"]


class MarginAttack:
    r"""Finds inputs near `x` at which the margins of a classifier are far from those at `x`.

    The inner maximization of the smooth adversarial comp-sum loss: `max norm(d(x') - d(x))` over `x'` within `epsilon`
    of `x` in each coordinate, `d(x)_k = f_y(x) - f_k(x)`. By steps along the sign of the gradient, from a random point
    of the ball, each followed by a projection to the ball and to `[low, high]`. The classifier is used as in inference
    and stays as it is; its present weights count, so that one attack serves all of training:

    ```python
    attack = MarginAttack(model, epsilon=8 / 255)
    for x, y in batches:
        moved = attack(x, y)
        def loss():
            return keras.ops.mean(
                keras_ssl.losses.smooth_adversarial_comp_sum_loss(model(x), model(moved), y, tau=1.0, nu=1.0)
            )
        _, gradients = keras_ssl.training.functional.value_and_gradients(loss, model)
        optimizer.apply(gradients, model.trainable_variables)
    ```

    Args:
        model: a built classifier, `[N, ...] -> logits [N, K]`.
        epsilon: radius of the ball, 0 or more, on the scale of the inputs. 0 returns them.
        steps: at least 1. Defaults to 10.
        step_size: positive. Defaults to None: `2.5 * epsilon / steps`.
        low, high: limits of the inputs. Default to 0 and 1.
        seed: of the random starts. Defaults to 0.

    Raises:
        ValueError: if an argument is out of range or the model is not built.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.array([[1.0, 0.0], [0.0, 1.0]])])
    >>> moved = MarginAttack(model, epsilon=0.1)(np.array([[0.5, 0.5]]), np.array([0]))
    >>> bool(np.allclose(np.abs(moved - 0.5), 0.1, atol=1e-6))  # both coordinates, as far as they may
    True

    Reference:
        Mao, Mohri and Zhong, "Cross-Entropy Loss Functions: Theoretical Analysis and Applications", ICML 2023; Madry
        et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018, for the steps.
    """

    def __init__(
        self,
        model: keras.Model,
        epsilon: float,
        steps: int = 10,
        step_size: float | None = None,
        low: float = 0.0,
        high: float = 1.0,
        seed: int = 0,
    ) -> None:
        if not isinstance(model, keras.Model) or not model.built:
            raise ValueError(f"`model` must be a built keras.Model. Received: model={model!r}")
        if not 0.0 <= epsilon < math.inf:
            raise ValueError(f"`epsilon` must be 0 or more, and finite. Received: epsilon={epsilon}")
        if step_size is not None and not 0.0 < step_size < math.inf:
            raise ValueError(f"`step_size` must be positive and finite. Received: step_size={step_size}")
        if not low < high:
            raise ValueError(f"`low` must be less than `high`. Received: low={low}, high={high}")
        self.model, self.epsilon, self.steps = model, float(epsilon), check_integer("steps", steps, 1)
        self.step_size = 2.5 * self.epsilon / self.steps if step_size is None else float(step_size)
        self.low, self.high, self.seed = float(low), float(high), check_integer("seed", seed, 0)
        self._random = np.random.RandomState(self.seed)
        self._programs: dict[tuple[int, ...], tuple[keras.Variable, Any]] = {}

    def __call__(self, x: Tensor, labels: Tensor) -> np.ndarray:
        """The inputs that were found.

        Args:
            x: `[N, ...]`.
            labels: class numbers y, integers `[N]`.

        Returns:
            float32, of the shape of x.

        Raises:
            ValueError: if x lies outside `[low, high]` or is not finite, or a label is no class.
        """
        start = np.asarray(keras.ops.convert_to_numpy(x)).astype("float32")
        if not ((start >= self.low) & (start <= self.high)).all():
            raise ValueError(
                f"`x` must lie in [{self.low}, {self.high}]. Received: x from {start.min()} to {start.max()}"
            )
        inputs, labels = keras.ops.convert_to_tensor(start), keras.ops.convert_to_tensor(labels)
        logits = self.model(inputs, training=False)
        margin_change(logits, logits, labels)  # checks them, which compiled code cannot
        if self.epsilon == 0.0:
            return start
        if start.shape not in self._programs:
            self._programs[start.shape] = self._compiled(start)
        moved, program = self._programs[start.shape]
        noise = self._random.uniform(-self.epsilon, self.epsilon, size=start.shape).astype("float32")
        moved.assign(np.clip(start + noise, self.low, self.high))
        for _ in range(self.steps):
            program((inputs, logits, labels))
        return np.array(keras.ops.convert_to_numpy(moved))

    def _compiled(self, start: np.ndarray) -> tuple[keras.Variable, Any]:
        """A variable for batches of a shape, and the step that changes it."""
        moved = keras.Variable(start, trainable=False, dtype="float32", name="moved")
        program = backend.stateful_program([moved, *self.model.variables], lambda data: self._ascend(moved, *data))
        return moved, program

    def _ascend(self, moved: keras.Variable, inputs: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """One step, which changes `moved`."""
        ops = keras.ops
        at = ops.add(ops.convert_to_tensor(moved), 0.0)

        def function() -> tuple[Tensor, tuple[()]]:
            outputs = self.model(ops.convert_to_tensor(moved), training=False)
            return ops.sum(margin_change(ops.stop_gradient(logits), outputs, labels)), ()

        (value, _), (gradient,) = backend.value_and_gradients(self.model, function, [moved], at=[at])
        ahead = at + self.step_size * ops.sign(gradient)
        ahead = ops.clip(ahead, inputs - self.epsilon, inputs + self.epsilon)
        moved.assign(ops.clip(ahead, self.low, self.high))
        return value
