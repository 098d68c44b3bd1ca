"""A network that tunes its own hyperparameters while it trains."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.optimizers.arguments import check_interval
from keras_ssl.random import Stream
from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor

TRANSFORMS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[float], float], str]] = {
    "exp": (lambda u: keras.ops.exp(u), math.log, "(0, inf)"),
    "sigmoid": (lambda u: keras.ops.sigmoid(u), lambda value: math.log(value / (1 - value)), "(0, 1)"),
    "linear": (lambda u: u, float, "(-inf, inf)"),
}
TrainingLoss = Callable[[Tensor, Tensor, dict[str, Tensor], Tensor], Tensor]
ValidationLoss = Callable[[Tensor, Tensor], Tensor]


class SelfTuningNetwork:
    """Trains weights on training data and hyperparameters on validation data, by turns, in one run.

    The network's layers (`SelfTuningDense`, `SelfTuningConv2D`) approximate the best weights as a function `w(h)` of
    the unconstrained hyperparameters `h [H]`. With `e ~ N(0, sigma^2)`:

    - a training step lowers `E[L_train(w(h + e), h + e)]` over the network's weights; `h` and sigma stand still. The
      noise teaches the layers how the best weights change around `h`;
    - a validation step lowers `E[L_val(w(h + e))] - entropy_weight * entropy(e)` over `h` and sigma through `w`; the
      network stands still. `entropy(e) = sum log sigma + H / 2 log(2 pi e)` keeps sigma from falling to 0.

    The training loss needs no derivative by the hyperparameters. What it is given are their values, by name: `exp(h)`
    for strengths of penalties, `sigmoid(h)` for rates, or `h`.

    Args:
        network: a built `keras.Model` of `[x, h]`, `h [N, H]`, with self-tuning layers.
        hyperparameters: initial values by name, in the order of the columns of `h`.
        training_loss: function of `(y, outputs, values, h)` that gives a scalar: `values` holds the hyperparameters by
            name, scalars; `h [H]` is for `layer.weights_at(h)`, where a penalty needs the weights.
        validation_loss: function of `(y, outputs)` that gives a scalar.
        transforms: "exp" (default), "sigmoid" or "linear" by name.
        optimizer: of the network. Defaults to "adam".
        hyper_optimizer: of hyperparameters and sigma. Defaults to Adam with a rate of 0.01.
        sigma: standard deviation of the noise on `h`, positive. Defaults to 0.5.
        tune_sigma: whether validation steps change sigma. Defaults to True.
        entropy_weight: at least 0. Defaults to 0.001.
        draws: how many draws of the noise a step averages over, each with a pass of its own. Defaults to 1. (The
            authors draw one for each sample, which a penalty on the weights cannot be given.)
        seed: of noise and order, an integer in [0, 2**32). Defaults to 0.

    Raises:
        ValueError: if an argument is out of range or names do not fit.

    Example:

    ```python
    x, h = keras.Input((64,)), keras.Input((1,))
    layer = keras_ssl.layers.SelfTuningDense(10)
    network = keras.Model([x, h], layer([x, h]))
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def training_loss(y, logits, values, h):
        return cross_entropy(y, logits) + values["decay"] * keras.ops.sum(layer.weights_at(h)[0] ** 2)

    tuner = keras_ssl.training.SelfTuningNetwork(network, {"decay": 1e-3}, training_loss, cross_entropy)
    tuner.fit((x_train, y_train), (x_validation, y_validation), rounds=500)
    tuner.values  # {"decay": ...}
    ```

    Reference: MacKay et al., "Self-Tuning Networks: Bilevel Optimization of Hyperparameters using Structured
    Best-Response Functions", ICLR 2019.
    """

    def __init__(
        self,
        network: keras.Model,
        hyperparameters: Mapping[str, float],
        training_loss: TrainingLoss,
        validation_loss: ValidationLoss,
        transforms: Mapping[str, str] | None = None,
        optimizer: Any = "adam",
        hyper_optimizer: Any = None,
        sigma: float = 0.5,
        tune_sigma: bool = True,
        entropy_weight: float = 0.001,
        draws: int = 1,
        seed: int = 0,
    ) -> None:
        if not isinstance(network, keras.Model) or not network.built or len(network.inputs) != 2:
            raise ValueError(f"`network` must be a built keras.Model of [x, h]. Received: network={network!r}")
        if not hyperparameters or network.inputs[1].shape[-1] != len(hyperparameters):
            raise ValueError(
                f"`hyperparameters` must hold one for each of {network.inputs[1].shape[-1]} columns of the network's "
                f"second input. Received: hyperparameters={dict(hyperparameters)}"
            )
        self.transforms = {name: (transforms or {}).get(name, "exp") for name in hyperparameters}
        unknown = set(transforms or {}) - set(hyperparameters) | set(self.transforms.values()) - set(TRANSFORMS)
        if unknown:
            raise ValueError(f"`transforms` must be of {tuple(TRANSFORMS)}, by name. Received: transforms={transforms}")
        start = []
        for name, value in hyperparameters.items():
            _, inverse, interval = TRANSFORMS[self.transforms[name]]
            start.append(inverse(check_interval(name, value, interval)))
        sigma = check_interval("sigma", sigma, "(0, inf)")
        self.tune_sigma = bool(tune_sigma)
        self.entropy_weight = check_interval("entropy_weight", entropy_weight, "[0, inf)")
        self.draws = check_integer("draws", draws, 1)
        self.seed = check_integer("seed", seed, 0, 2**32 - 1)
        self.network, self.training_loss, self.validation_loss = network, training_loss, validation_loss
        self._state = _State(network, np.array(start), sigma)
        self.optimizer = keras.optimizers.get(optimizer)
        self.hyper_optimizer = keras.optimizers.get(hyper_optimizer or keras.optimizers.Adam(0.01))
        self.optimizer.build(network.trainable_variables)
        self._tuned = [self._state.hyper, self._state.log_sigma] if self.tune_sigma else [self._state.hyper]
        self.hyper_optimizer.build(self._tuned)
        variables = [*self._state.variables, *self.optimizer.variables, *self.hyper_optimizer.variables]
        self._train = backend.stateful_program(variables, self._training_step)
        self._validate = backend.stateful_program(variables, self._validation_step)
        self._rng = np.random.default_rng(seed)

    @property
    def hyper(self) -> np.ndarray:
        """The unconstrained hyperparameters, `[H]`."""
        return np.asarray(keras.ops.convert_to_numpy(self._state.hyper))

    @property
    def sigma(self) -> np.ndarray:
        """Standard deviations of the noise, `[H]`."""
        return np.exp(np.asarray(keras.ops.convert_to_numpy(self._state.log_sigma)))

    @property
    def values(self) -> dict[str, float]:
        """The hyperparameters as they are now, by name."""
        return {name: float(value) for name, value in self._values(keras.ops.convert_to_tensor(self.hyper)).items()}

    def training_step(self, x: Any, y: Any) -> float:
        """One step of the network's weights on a batch; returns the loss."""
        return float(self._train((keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y))))

    def validation_step(self, x: Any, y: Any) -> float:
        """One step of the hyperparameters on a batch; returns the validation loss, without the entropy."""
        return float(self._validate((keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y))))

    def fit(
        self,
        training: tuple[Any, Any],
        validation: tuple[Any, Any],
        rounds: int,
        training_steps: int = 2,
        validation_steps: int = 1,
        batch_size: int = 128,
        warm_up: int = 0,
    ) -> dict[str, list[float]]:
        """Training steps and validation steps by turns.

        Args:
            training, validation: arrays `(x, y)`. Batches are drawn with replacement between steps.
            rounds: how often, a positive integer.
            training_steps, validation_steps: of a round, positive integers. Default to 2 and 1.
            batch_size: at most; a positive integer. Defaults to 128.
            warm_up: training steps before the first round. Defaults to 0.

        Returns:
            By name, for each round: "training_loss", "validation_loss" and each hyperparameter.

        Raises:
            ValueError: if a number is out of range.
        """
        numbers = {"rounds": rounds, "training_steps": training_steps, "validation_steps": validation_steps}
        for name, number in {**numbers, "batch_size": batch_size}.items():
            check_integer(name, number, 1)
        check_integer("warm_up", warm_up, 0)
        for _ in range(warm_up):
            self.training_step(*self._batch(training, batch_size))
        history: dict[str, list[float]] = {"training_loss": [], "validation_loss": []}
        history |= {name: [] for name in self.transforms}
        for _ in range(rounds):
            for _ in range(training_steps):
                loss = self.training_step(*self._batch(training, batch_size))
            history["training_loss"].append(loss)
            for _ in range(validation_steps):
                loss = self.validation_step(*self._batch(validation, batch_size))
            history["validation_loss"].append(loss)
            for name, found in self.values.items():
                history[name].append(found)
        return history

    def predict(self, x: Any) -> np.ndarray:
        """The network's outputs at the present hyperparameters."""
        x = keras.ops.convert_to_tensor(x)
        hyper = keras.ops.convert_to_tensor(self.hyper)
        return np.asarray(keras.ops.convert_to_numpy(self._outputs(x, hyper, False)))

    def _batch(self, data: tuple[Any, Any], size: int) -> tuple[Any, Any]:
        x, y = data
        if len(x) <= size:
            return x, y
        rows = self._rng.choice(len(x), size, replace=False)
        return x[rows], y[rows]

    def _values(self, hyper: Tensor) -> dict[str, Tensor]:
        return {name: TRANSFORMS[kind][0](hyper[k]) for k, (name, kind) in enumerate(self.transforms.items())}

    def _noise(self) -> list[Tensor]:
        """Standard normal numbers `[H]` for each draw; others at each step."""
        ops, count = keras.ops, len(self.transforms)
        stream = Stream(self.seed, ops.add(ops.convert_to_tensor(self._state.steps), 0), np.arange(self.draws))
        uniform = stream.uniform(1e-7, 1.0, shape=(2 * count,))
        normal = ops.sqrt(-2.0 * ops.log(uniform[:, :count])) * ops.cos(2.0 * math.pi * uniform[:, count:])
        self._state.steps.assign(self._state.steps + 1)
        return [normal[k] for k in range(self.draws)]

    def _outputs(self, x: Tensor, hyper: Tensor, training: bool) -> Tensor:
        rows = keras.ops.repeat(hyper[None], keras.ops.shape(x)[0], axis=0)
        return self.network([x, rows], training=training)

    def _training_step(self, data: Any) -> Tensor:
        x, y = data
        sigma = keras.ops.exp(self._state.log_sigma)
        around = [self._state.hyper + sigma * noise for noise in self._noise()]

        def function() -> tuple[Tensor, Any]:
            losses = [self.training_loss(y, self._outputs(x, h, True), self._values(h), h) for h in around]
            return keras.ops.mean(keras.ops.stack(losses)), ()

        variables = self.network.trainable_variables
        (loss, _), gradients = backend.value_and_gradients(self._state, function, variables)
        backend.apply(self.optimizer, gradients, variables)
        return loss

    def _validation_step(self, data: Any) -> Tensor:
        x, y = data
        noises = self._noise()

        def function() -> tuple[Tensor, Any]:
            ops, log_sigma = keras.ops, keras.ops.convert_to_tensor(self._state.log_sigma)
            sigma = ops.exp(log_sigma)
            around = [self._state.hyper + sigma * noise for noise in noises]
            loss = ops.mean(ops.stack([self.validation_loss(y, self._outputs(x, h, False)) for h in around]))
            entropy = ops.sum(log_sigma) + 0.5 * len(self.transforms) * math.log(2.0 * math.pi * math.e)
            return loss - self.entropy_weight * entropy, loss

        (_, loss), gradients = backend.value_and_gradients(self._state, function, self._tuned)
        backend.apply(self.hyper_optimizer, gradients, self._tuned)
        return loss


class _State(keras.Model):
    """All variables of the two problems in one model, as the backends want them."""

    def __init__(self, network: keras.Model, hyper: np.ndarray, sigma: float) -> None:
        super().__init__()
        self.network = network
        fill = keras.initializers.Constant
        options: dict[str, Any] = {"shape": hyper.shape, "dtype": "float32"}
        self.hyper = self.add_weight(initializer="zeros", name="hyper", **options)
        self.hyper.assign(hyper)
        self.log_sigma = self.add_weight(initializer=fill(math.log(sigma)), name="log_sigma", **options)
        self.steps = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="steps")
        self.built = True
