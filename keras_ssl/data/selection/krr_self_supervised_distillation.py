"""A few synthetic samples with targets that teach what a self-supervised model knows of a large data set."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.checks import check_features, check_seed, uniforms
from keras_ssl.data.selection.differentiation import apply, compiled, value_and_gradients
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.random import permutation, seeded_initializers
from keras_ssl.typing import Tensor

__all__ = ["KRRSelfSupervisedDistillation"]

_START_KEY = 0x9E3779B1  # the choice of the first samples must not repeat other draws


class KRRSelfSupervisedDistillation:
    """Distills an unlabeled data set into few samples `X_s` and targets `Y_s`, for regression instead of contrast.

    A model that is trained to map `X_s` to `Y_s` by the mean squared error is to give what a self-supervised teacher
    gives for the real data. With the features `F` of a model of a pool, to which a column of ones is appended, the
    trained linear head has a closed form, kernel ridge regression:

        P = F_t F_s^T (F_s F_s^T + lambda I)^-1 Y_s,   lambda = regularization * trace(F_s F_s^T),
        loss = mean of (P - teacher(X_t))^2 over a batch X_t and over the teacher's dimensions.

    Its gradient changes `X_s` and `Y_s` (by Adam). The pool holds models that were trained on `X_s, Y_s` for different
    numbers of steps; the one that was used trains one step further, and starts anew after `pool_steps`. The gradient
    includes that of the trace; in the authors' code `lambda` counts as a constant.

    Models run as in inference: moving statistics of a batch normalization do not change.

    Args:
        extractor: makes a new Keras model from inputs to features, of the same layers each time.
        regularization: of the kernel ridge regression, relative to the trace, positive. Defaults to 1e-6.
        pool_size: number of models. Defaults to 10, the paper's.
        pool_steps: after how many steps a model starts anew. Defaults to 1000.
        pool_rate: learning rate of the models (momentum 0.9). Defaults to 0.1.
        weight_decay: of the models, 0 or more. Defaults to 1e-3.
        rate: learning rate of `X_s` and `Y_s`. Defaults to 1e-3.
        batch_size: real samples in a step. Defaults to 256; all where there are fewer.
        seed: in [0, 2**32). Defaults to 0.

    Attributes:
        history: the losses of the last run's steps.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> distillation = KRRSelfSupervisedDistillation(
    ...     lambda: keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)]), pool_size=1, pool_steps=2
    ... )
    >>> x = np.random.default_rng(0).normal(size=(20, 4))
    >>> images, targets = distillation.distill(x, x[:, :2], count=5, steps=2)
    >>> images.shape, targets.shape
    ((5, 4), (5, 2))

    Reference: Lee et al., "Self-Supervised Dataset Distillation for Transfer Learning", ICLR 2024.
    """

    def __init__(
        self,
        extractor: Callable[[], keras.Model],
        regularization: float = 1e-6,
        pool_size: int = 10,
        pool_steps: int = 1000,
        pool_rate: float = 0.1,
        weight_decay: float = 1e-3,
        rate: float = 1e-3,
        batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        if not callable(extractor) or isinstance(extractor, keras.Layer):
            raise ValueError(f"`extractor` must be a function that makes a model. Received: extractor={extractor!r}")
        self.extractor = extractor
        self.regularization = check_number("regularization", regularization, 0.0, above=True)
        self.pool_size = check_integer("pool_size", pool_size, 1)
        self.pool_steps = check_integer("pool_steps", pool_steps, 1)
        self.pool_rate = check_number("pool_rate", pool_rate, 0.0, above=True)
        self.weight_decay = check_number("weight_decay", weight_decay, 0.0)
        self.rate = check_number("rate", rate, 0.0, above=True)
        self.batch_size = check_integer("batch_size", batch_size, 1)
        self.seed = check_seed(seed)
        self.history: list[float] = []

    def predict(self, support: Tensor, targets: Tensor, features: Tensor) -> Tensor:
        """The closed form of the head, applied: `P` for given features.

        Args:
            support: features of the synthetic samples, `[S, ...]`, flattened; the column of ones is added here.
            targets: `[S, K]`.
            features: of the samples to predict, `[N, ...]`.

        Returns:
            `[N, K]`.
        """
        ops = keras.ops
        own, others = _with_bias(support), _with_bias(features)
        kernel = ops.matmul(own, ops.transpose(own))
        ridge = self.regularization * ops.trace(kernel)
        kernel = kernel + ridge * ops.eye(kernel.shape[0], dtype=kernel.dtype)
        return ops.matmul(ops.matmul(others, ops.transpose(own)), ops.solve(kernel, as_float(targets)))

    def loss(
        self, model: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor, x: Tensor, teacher_features: Tensor
    ) -> Tensor:
        """The outer loss; differentiable by `images` and `targets`, and without any randomness.

        Args:
            model: from inputs to features `[N, ...]`.
            images: synthetic samples, `[S, ...]`.
            targets: their targets, `[S, K]`.
            x: real samples, `[N, ...]`.
            teacher_features: the teacher's features of them, `[N, K]`.

        Returns:
            A scalar.
        """
        predicted = self.predict(model(images), targets, model(x))
        return keras.ops.mean(keras.ops.square(predicted - as_float(teacher_features)))

    def distill(self, x: Any, teacher_features: Any, count: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Makes synthetic samples, starting from real ones and their features.

        Args:
            x: real samples, numbers `[N, ...]`.
            teacher_features: the teacher's features of them, `[N, K]`.
            count: number of synthetic samples, from 1 to N.
            steps: number of updates, 0 or more.

        Returns:
            `(images, targets)`: float32 `[count, ...]` and `[count, K]`.

        Raises:
            ValueError: if arrays hold NaN or infinity, are empty or differ in length, or a number is out of range.
        """
        real = check_features("x", x, None).astype("float32")
        known = check_features("teacher_features", teacher_features).astype("float32")
        if len(real) != len(known):
            raise ValueError(
                "`x` and `teacher_features` must have the same length. "
                f"Received: x=shape {real.shape}, teacher_features=shape {known.shape}"
            )
        count = check_integer("count", count, 1, len(real))
        steps = check_integer("steps", steps, 0)
        first = permutation(len(real), self.seed, _START_KEY)[:count]
        images, targets = keras.Variable(real[first]), keras.Variable(known[first])
        optimizer = keras.optimizers.Adam(self.rate)
        optimizer.build([images, targets])
        pool = _Pool(self, known.shape[1])
        models = [pool.new() for _ in range(self.pool_size)]
        ages = 1 + (uniforms(self.seed, 0, np.arange(self.pool_size))[0] * (self.pool_steps - 1)).astype("int64")
        for number in range(self.pool_size):
            for _ in range(ages[number] if steps else 0):
                models[number] = pool.train(models[number], images.value, targets.value)
        self.history = []
        for step in range(steps):
            number = int(uniforms(self.seed, step, np.array([len(real)]), 1)[0][0] * self.pool_size)
            rows = np.argsort(uniforms(self.seed, step, np.arange(len(real)), 2)[0], kind="stable")[: self.batch_size]
            loss, gradients = pool.outer(models[number], images.value, targets.value, real[rows], known[rows])
            optimizer.apply(gradients, [images, targets])
            self.history.append(float(loss))
            if ages[number] >= self.pool_steps:
                models[number], ages[number] = pool.new(), 0
            else:
                models[number] = pool.train(models[number], images.value, targets.value)
                ages[number] += 1
        return np.array(keras.ops.convert_to_numpy(images)), np.array(keras.ops.convert_to_numpy(targets))


class _Pool:
    """Programs over the weights of any number of models of one architecture."""

    def __init__(self, method: KRRSelfSupervisedDistillation, outputs: int) -> None:
        self._method, self._outputs, self._made = method, outputs, 0
        self._model, self._extractor = self._build()
        self._variables = self._extractor.trainable_variables
        self.outer, self._inner = compiled(self._outer), compiled(self._inner_step)

    def _build(self) -> tuple[keras.Model, keras.Model]:
        with seeded_initializers(self._method.seed * 2**20 + self._made):
            extractor = self._method.extractor()
            if not extractor.built:
                raise ValueError(f"`extractor` must make a built model. Received: extractor={extractor!r}")
            inputs = keras.Input(extractor.input_shape[1:])
            head = keras.layers.Dense(self._outputs)
            model = keras.Model(inputs, head(keras.layers.Flatten()(extractor(inputs))))
        self._made += 1
        return model, extractor

    def new(self) -> tuple[list[Tensor], list[Tensor]]:
        """Weights of a new model, and their velocities."""
        model = self._build()[0]
        values = [
            keras.ops.convert_to_tensor(keras.ops.convert_to_numpy(variable)) for variable in model.trainable_variables
        ]
        return values, [keras.ops.zeros_like(value) for value in values]

    def train(self, state: tuple[list[Tensor], list[Tensor]], images: Tensor, targets: Tensor) -> Any:
        """The state after one step of SGD on the synthetic samples."""
        return self._inner(*state, images, targets)

    def _inner_step(self, values: list[Tensor], velocities: list[Tensor], images: Tensor, targets: Tensor) -> Any:
        def loss(weights: list[Tensor]) -> Tensor:
            outputs = apply(self._model, self._model.trainable_variables, weights, images)
            return keras.ops.mean(keras.ops.square(outputs - targets))

        _, gradients = value_and_gradients(loss, values)
        decay, rate = self._method.weight_decay, self._method.pool_rate
        steps = [gradient + decay * value for gradient, value in zip(gradients, values, strict=True)]
        velocities = [0.9 * velocity + step for velocity, step in zip(velocities, steps, strict=True)]
        return [value - rate * v for value, v in zip(values, velocities, strict=True)], velocities

    def _outer(self, state: Any, images: Tensor, targets: Tensor, x: Tensor, known: Tensor) -> Any:
        own = state[0][: len(self._variables)]

        def features(inputs: Tensor) -> Tensor:
            return apply(self._extractor, self._variables, own, inputs)

        def loss(parts: list[Tensor]) -> Tensor:
            return self._method.loss(features, parts[0], parts[1], x, known)

        return value_and_gradients(loss, [images, targets])


def _with_bias(features: Tensor) -> Tensor:
    ops = keras.ops
    features = as_float(features)
    size = int(np.prod(features.shape[1:]))
    features = ops.reshape(features, (-1, size))
    return ops.concatenate([features, ops.ones_like(features[:, :1])], axis=1)
