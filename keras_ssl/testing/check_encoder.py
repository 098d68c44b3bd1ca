"""The public conformance suite for encoders."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np

from keras_ssl.precision import dtype_policy
from keras_ssl.typing import Tensor

_BATCH = 4


def check_encoder(
    encoder: keras.Model | Callable[[], keras.Model],
    input_shape: tuple[int, ...],
    stable_names: bool = False,
) -> None:
    """Checks that a model can serve as an encoder of every objective and of the zoo.

    Any `keras.Model` that maps a batch to features `[N, D]` is an encoder. The checks, in their order:

    - `output`: one floating, finite tensor `[N, D]`, the same in two calls at inference;
    - `built`: the model says that it is built, and a call at inference creates and changes no weight;
    - `names` (only with `stable_names`): no two weights share a path, and a second encoder has the same
      paths, which it has not where Keras names and numbers layers automatically;
    - `config`: `get_config` survives JSON and makes an encoder of equal features once it has the weights;
    - `saving`: the same through a `.keras` file;
    - `batch of one`: an image alone has the features that it has in a batch;
    - `input size`: where the model's input has open dimensions, another size works;
    - `gradient`: with all weights moved off their initial values, every trainable variable gets a finite
      gradient that is not all zero, in training mode;
    - `batch statistics`: a call with `training=True` moves every batch norm's statistics;
    - `mixed precision`: features are finite under `mixed_bfloat16` and `mixed_float16`, in training and at
      inference. A plain functional model's config keeps the policies of its
      layers, so that this tests nothing new: give a function that makes it instead.

    The encoder that is given is left as it was: what would change it runs on copies.

    Args:
        encoder: the encoder, or a function without arguments that makes one.
        input_shape: shape of one input without the batch: `(height, width, channels)` for images. Small is
            fast.
        stable_names: whether the paths of weights must do for a published weight format. Defaults to False.

    Raises:
        ValueError: if a check fails. The message names the check and what was found.

    Example:

    >>> from keras_ssl.encoders import ConvNet
    >>> check_encoder(ConvNet(widths=(4, 8)), input_shape=(8, 8, 3), stable_names=True)
    """
    suite = _Suite(encoder, tuple(input_shape))
    suite.check_output()
    suite.check_built()
    if stable_names:
        suite.check_names()
    suite.check_config()
    suite.check_saving()
    suite.check_batch_of_one()
    suite.check_input_size()
    suite.check_gradient()
    suite.check_batch_statistics()
    suite.check_mixed_precision()


class _Suite:
    """The checks, over one encoder and one batch of inputs."""

    def __init__(self, encoder: keras.Model | Callable[[], keras.Model], input_shape: tuple[int, ...]) -> None:
        self.factory = None if isinstance(encoder, keras.Model) else encoder
        self.model = encoder if isinstance(encoder, keras.Model) else encoder()
        if not isinstance(self.model, keras.Model):
            _fail("output", f"a keras.Model is needed. Received: encoder={self.model!r}")
        self.rng = np.random.default_rng(0)
        self.inputs = self.draw(_BATCH, *input_shape)

    def draw(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape).astype("float32")

    def copy(self) -> keras.Model:
        """A new encoder with the weights of the one that is checked."""
        model = self.remake()
        model.set_weights(self.model.get_weights())
        return model

    def remake(self) -> keras.Model:
        """A new encoder, built, from the factory or from the config."""
        if self.factory is not None:
            model = self.factory()
        else:
            model = _from_config(self.model)
        model(self.inputs, training=False)
        return model

    def check_output(self) -> None:
        outputs = self.model(self.inputs, training=False)
        if not keras.ops.is_tensor(outputs):
            _fail("output", f"one tensor [N, D] is needed. Received: {type(outputs).__name__}")
        shape, dtype = tuple(outputs.shape), keras.backend.standardize_dtype(outputs.dtype)
        if len(shape) != 2 or shape[0] != _BATCH:
            _fail("output", f"a batch of {_BATCH} must give features [{_BATCH}, D]. Received: shape={shape}")
        if "float" not in dtype:
            _fail("output", f"features must be floating numbers. Received: dtype={dtype}")
        self.expected = _numpy(outputs)
        if not np.isfinite(self.expected).all():
            _fail("output", "features are not finite.")
        self.compare("output", self.model, "a second call at inference")

    def compare(self, check: str, model: keras.Model, what: str) -> None:
        """Fails unless the features equal the expected ones to 1e-6 of their size."""
        difference = np.abs(_numpy(model(self.inputs, training=False)) - self.expected).max()
        if not difference <= 1e-6 * max(1.0, np.abs(self.expected).max()):
            _fail(check, f"features of {what} differ by {difference:.3g}.")

    def check_built(self) -> None:
        before = [(v.path, _numpy(v)) for v in self.model.weights]
        self.model(self.inputs, training=False)
        after = [(v.path, _numpy(v)) for v in self.model.weights]
        if not self.model.built:
            _fail("built", "`encoder.built` is False after a call.")
        if [path for path, _ in before] != [path for path, _ in after]:
            _fail("built", "a call created weights.")
        for (path, old), (_, new) in zip(before, after, strict=True):
            if not np.array_equal(old, new):
                _fail("built", f"a call at inference changed the weight {path}.")

    def check_names(self) -> None:
        paths, again = _paths(self.model), _paths(self.remake())
        repeated = sorted({path for path in paths if paths.count(path) > 1})
        if repeated:
            _fail("names", f"several weights have the path {repeated[0]}.")
        changed = [path for path, other in zip(paths, again, strict=True) if path != other]
        if changed:
            _fail("names", f"the weight {changed[0]} has another path in another encoder: name its layer.")

    def check_config(self) -> None:
        try:
            model = _from_config(self.model)
            model(self.inputs, training=False)
            model.set_weights(self.model.get_weights())
        except Exception as error:
            raise ValueError(f"check_encoder, config: no equal encoder comes of `get_config`: {error}") from error
        self.compare("config", model, "the encoder made from the config")

    def check_saving(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "encoder.keras"
            try:
                self.model.save(path)
                model = keras.saving.load_model(path, compile=False)
            except Exception as error:
                raise ValueError(f"check_encoder, saving: no way through a .keras file: {error}") from error
        self.compare("saving", model, "the encoder loaded from a .keras file")

    def check_batch_of_one(self) -> None:
        alone = _numpy(self.model(self.inputs[:1], training=False))
        if alone.shape != self.expected[:1].shape:
            _fail("batch of one", f"features of one input have the shape {alone.shape}.")
        # Other kernels may serve other batch sizes, so not to the last bit.
        difference = np.abs(alone - self.expected[:1]).max()
        if not difference <= 1e-4 * max(1.0, np.abs(self.expected).max()):
            _fail("batch of one", f"features of an input alone and in a batch differ by {difference:.3g}.")

    def check_input_size(self) -> None:
        declared = getattr(self.model, "input_shape", None)
        sizes = self.inputs.shape[1:]
        if not isinstance(declared, tuple) or len(declared) != 1 + len(sizes) or None not in declared[1:]:
            return
        larger = [2 * n if open_ is None else n for n, open_ in zip(sizes, declared[1:], strict=True)]
        features = _numpy(self.model(self.draw(_BATCH, *larger), training=False))
        if features.shape != self.expected.shape or not np.isfinite(features).all():
            _fail("input size", f"inputs of shape {tuple(larger)} give features of shape {features.shape}.")

    def check_gradient(self) -> None:
        model = self.copy()
        for variable in model.trainable_variables:
            # Zero-initialized scales (the last batch norm of a residual block) let no gradient through.
            variable.assign(_numpy(variable) + 0.05 * self.draw(*variable.shape))
        probe = self.draw(*self.expected.shape)
        gradients = _gradients(model, self.inputs, probe)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            if gradient is None or not np.any(gradient):
                _fail("gradient", f"none reaches {variable.path}.")
            if not np.isfinite(gradient).all():
                _fail("gradient", f"that of {variable.path} is not finite.")

    def check_batch_statistics(self) -> None:
        model = self.copy()
        norms = [
            layer for layer in _layers(model) if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        ]
        before = [_numpy(layer.moving_mean) for layer in norms]
        model(self.inputs, training=True)
        for layer, old in zip(norms, before, strict=True):
            if np.array_equal(old, _numpy(layer.moving_mean)):
                _fail("batch statistics", f"a call in training does not move those of {layer.name}.")

    def check_mixed_precision(self) -> None:
        for policy in ("mixed_bfloat16", "mixed_float16"):
            with dtype_policy(policy):
                model = self.copy()
                for training in (True, False):
                    features = _numpy(model(self.inputs, training=training))
                    if not np.isfinite(features).all():
                        _fail("mixed precision", f"features under {policy} are not finite.")


def _fail(check: str, message: str) -> NoReturn:
    raise ValueError(f"check_encoder, {check}: {message}")


def _numpy(tensor: Tensor) -> np.ndarray:
    """The numbers, in float32 where NumPy has no such type (bfloat16)."""
    if keras.backend.standardize_dtype(tensor.dtype) in ("bfloat16", "float16"):
        tensor = keras.ops.cast(tensor, "float32")
    return np.array(keras.ops.convert_to_numpy(tensor))


def _from_config(model: keras.Model) -> keras.Model:
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    return keras.saving.deserialize_keras_object(config)


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    # Keras has no public walk that descends into nested models and composite layers.
    return model._flatten_layers(include_self=False)


def _paths(model: keras.Model) -> list[str]:
    return [variable.path.removeprefix(f"{model.name}/") for variable in model.weights]


def _gradients(model: keras.Model, inputs: np.ndarray, probe: np.ndarray) -> list[np.ndarray | None]:
    """Gradients of `sum(features * probe)` in training mode, one for each trainable variable."""

    def score(features: Tensor) -> Tensor:
        return keras.ops.sum(keras.ops.cast(features, "float32") * probe)

    gradients: list[Any]
    if keras.backend.backend() == "jax":
        import jax

        state = [v.value for v in model.non_trainable_variables]

        def of_weights(weights: list[Tensor]) -> Tensor:
            return score(model.stateless_call(weights, state, inputs, training=True)[0])

        gradients = jax.jit(jax.grad(of_weights))([v.value for v in model.trainable_variables])
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            total = score(model(inputs, training=True))
        gradients = tape.gradient(total, [v.value for v in model.trainable_variables])
    else:
        raise ValueError(
            "check_encoder takes gradients on the TensorFlow and JAX backends only. "
            f"Received: backend={keras.backend.backend()}"
        )
    return [None if g is None else _numpy(keras.ops.convert_to_tensor(g, sparse=False)) for g in gradients]
