"""An attack on an encoder that every classifier on its features inherits."""

from typing import Any

import keras
import numpy as np

from keras_ssl.attacks.high_pass_filter import high_pass_filter
from keras_ssl.attacks.interval_bounds import check_epsilon, check_range_of_values
from keras_ssl.attacks.universal_patch import UniversalPatch, patch_side, put_patch, usual_place
from keras_ssl.attacks.universal_perturbation import UniversalPerturbation
from keras_ssl.check_number import check_number
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.numeric import as_float, check_integer, check_positive
from keras_ssl.random import permutation
from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor

__all__ = ["AdvEncoder"]

LOSSES = ("info_nce", "distance")


class AdvEncoder:
    r"""Finds one perturbation, or one patch, that moves the features of all images away from where they are.

    Only the encoder is needed, no classifier and no labels: what stands on the features fails with them. With the
    attacked images :math:`x' = \operatorname{clip}(x + \delta)` and the high-pass filter H, it minimizes

    .. math:: -\alpha \, \text{InfoNCE}(f(x'), f(x)) - \beta \, \operatorname{mean} (H(x') - H(x))^2
              + \lambda \operatorname{mean} (x' - x)^2, \quad |\delta| \le \epsilon

    The features of the other images of a batch are the negatives. With `loss="distance"` the first term is
    :math:`-\alpha \operatorname{mean}_n |f(x'_n) - f(x_n)|^2`, which knows the length of features too.

    The perturbation is free, moved by the sign of the gradient with a step that falls linearly and cut off at epsilon;
    or `epsilon * tanh(G(z))` of a generator G and one fixed random z, trained by Adam, as in the paper. The encoder
    stays as it is, in inference mode. The weights of the terms are those of the authors' code.

    With `patch_share` a square of every image is replaced by one patch p instead, with the mask m of its place,
    :math:`x' = m p + (1 - m) x`: it is seen, but can be printed and stuck on. Any value of `value_range` is allowed
    there, and `epsilon` has no part in it; a generator's patch is the middle of the range plus half its width times
    tanh. The authors' code takes an `adversarial_weight` of 5 for patches.

    Args:
        encoder: a built Keras model, images `[N, H, W, C] -> features [N, D]`, with its preprocessing; it takes floats
            in `value_range`.
        epsilon: largest change of a value, on the scale of the images, not negative. Defaults to 10 / 255, the paper's.
        generator: a built Keras model from noise to `[1, H, W, C]`, or to the patch's shape. Defaults to None: the
            perturbation is free.
        loss: "info_nce" (default) or "distance".
        adversarial_weight: alpha, not negative. Defaults to 1.
        high_pass_weight: beta, not negative. Defaults to 1.
        norm_weight: lambda, not negative. Defaults to 1.
        radius: of the filter, in waves per image. Defaults to 8, as in the authors' code.
        temperature: of InfoNCE. Defaults to 0.1.
        learning_rate: of Adam; for a free perturbation, the first step as a share of epsilon; for a free patch, of half
            the width of the range. Defaults to None: 2e-4 with a generator, else 0.1.
        value_range: `(low, high)` of the images. Defaults to `(0, 1)`.
        seed: of the start, the noise and the order of images. Defaults to 0.
        patch_share: share of the image's area that a patch covers, above 0 and at most 1; the paper's is 0.03. The side
            is rounded down, but at least 1 pixel. Defaults to None: a perturbation.
        patch_place: `(row, column)` of the patch's upper left pixel. Defaults to None: at the lower right, 14 / 64 of
            the sides away from the edges, as in the authors' code.

    Raises:
        ValueError: if the encoder or the generator is not built or gives another shape, or an argument is out of range.

    Example:

    ```python
    encoder = keras_ssl.load("saved_models/barlow_digits")
    attack = keras_ssl.attacks.AdvEncoder(encoder, epsilon=0.05).fit(images, epochs=5)  # floats in [0, 1]
    keras_ssl.attacks.fooling_rate(probe(encoder(test_images)), probe(encoder(attack(test_images))))
    ```

    Reference: Zhou et al., "Downstream-agnostic Adversarial Examples", ICCV 2023.
    """

    def __init__(
        self,
        encoder: keras.Model,
        epsilon: float = 10 / 255,
        generator: keras.Model | None = None,
        loss: str = "info_nce",
        adversarial_weight: float = 1.0,
        high_pass_weight: float = 1.0,
        norm_weight: float = 1.0,
        radius: float = 8.0,
        temperature: float = 0.1,
        learning_rate: float | None = None,
        value_range: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        patch_share: float | None = None,
        patch_place: tuple[int, int] | None = None,
    ) -> None:
        if not isinstance(encoder, keras.Model) or not encoder.built:
            raise ValueError(f"`encoder` must be a built Keras model. Received: encoder={encoder!r}")
        if generator is not None and (not isinstance(generator, keras.Model) or not generator.built):
            raise ValueError(f"`generator` must be None or a built Keras model. Received: generator={generator!r}")
        if loss not in LOSSES:
            raise ValueError(f"`loss` must be one of {', '.join(LOSSES)}. Received: loss={loss!r}")
        weights = {
            "adversarial_weight": adversarial_weight,
            "high_pass_weight": high_pass_weight,
            "norm_weight": norm_weight,
        }
        for name, value in weights.items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"`{name}` must be finite and not negative. Received: {name}={value}")
        rate = (0.1 if generator is None else 2e-4) if learning_rate is None else learning_rate
        for name, value in (("radius", radius), ("temperature", temperature), ("learning_rate", rate)):
            if not check_positive(name, value) < float("inf"):
                raise ValueError(f"`{name}` must be finite. Received: {name}={value}")
        found_range = check_range_of_values(value_range)
        if found_range is None:
            raise ValueError("`value_range` must be (low, high). Received: value_range=None")
        self.encoder, self.generator, self.kind = encoder, generator, loss
        self.epsilon, self.value_range = check_epsilon(epsilon), found_range
        self.weights = tuple(float(value) for value in weights.values())
        self.radius, self.temperature, self.learning_rate = float(radius), float(temperature), float(rate)
        self.seed = check_integer("seed", seed, 0, 2**32 - 1)
        if patch_place is not None and (patch_share is None or len(patch_place) != 2):
            raise ValueError(
                "`patch_place` must be (row, column), with a `patch_share`. "
                f"Received: patch_place={patch_place}, patch_share={patch_share}"
            )
        share = None if patch_share is None else check_number("patch_share", patch_share, 0.0, 1.0, above=True)
        self.patch_share = share
        self.patch_place = patch_place
        # The perturbation or the patch has entries of `middle` plus or minus `reach`.
        low, high = found_range
        self.middle = 0.0 if patch_share is None else (low + high) / 2
        self.reach = self.epsilon if patch_share is None else (high - low) / 2

    def loss(self, images: Tensor, delta: Tensor) -> Tensor:
        """What the attack minimizes: a scalar, of images `[N, H, W, C]` and a perturbation or patch `[h, w, C]`."""
        ops = keras.ops
        images = as_float(images)
        if self.patch_share is None:
            attacked = ops.clip(images + delta, *self.value_range)
        else:
            attacked = put_patch(images, as_float(delta), self._place(images.shape[1:3]))
        alpha, beta, norm = self.weights
        total = ops.zeros((), images.dtype)
        if alpha:
            clean = ops.stop_gradient(as_float(self.encoder(images, training=False)))
            moved = as_float(self.encoder(attacked, training=False))
            if self.kind == "info_nce":
                total = total - alpha * info_nce_loss(moved, clean, self.temperature)
            else:
                total = total - alpha * ops.mean(ops.sum(ops.square(moved - clean), axis=-1))
        if beta:
            # The filter is linear: that of the difference is the difference of both.
            total = total - beta * ops.mean(ops.square(high_pass_filter(attacked - images, self.radius)))
        return total + norm * ops.mean(ops.square(attacked - images))

    def fit(self, images: Tensor, epochs: int = 20, batch_size: int = 128) -> UniversalPerturbation | UniversalPatch:
        """Finds the perturbation or the patch.

        Args:
            images: `[N, H, W, C]`, floats in `value_range`, of any data: they need no labels. N at least 2.
            epochs: passes over the images. Defaults to 20.
            batch_size: images in a batch, at least 2; a last part of a batch is left out. Defaults to 128.

        Returns:
            A `UniversalPerturbation`; a `UniversalPatch` where `patch_share` was given. Both take images.

        Raises:
            ValueError: if images leave `value_range` or are no such batch, or an argument is out of range.
        """
        epochs = check_integer("epochs", epochs, 1)
        batch_size = check_integer("batch_size", batch_size, 2)
        array = self._checked(images)
        batch_size = min(batch_size, len(array))
        if self.reach == 0.0:
            return UniversalPerturbation(np.zeros(array.shape[1:], np.float32), 0.0, self.value_range)
        shape, place = array.shape[1:], (0, 0)
        if self.patch_share is not None:
            side, place = patch_side(self.patch_share, shape[:2]), self._place(shape[:2])
            shape = (side, side, shape[2])
        step, read = self._stepper(shape)
        batches = len(array) // batch_size
        for epoch in range(epochs):
            order = permutation(len(array), self.seed, epoch)
            for number in range(batches):
                chosen = array[order[number * batch_size : (number + 1) * batch_size]]
                left = 1.0 - (epoch * batches + number) / (epochs * batches)
                step((keras.ops.convert_to_tensor(chosen), keras.ops.convert_to_tensor(left, "float32")))
        delta = np.asarray(keras.ops.convert_to_numpy(read()))
        delta = np.clip(delta, self.middle - self.reach, self.middle + self.reach)
        if self.patch_share is not None:
            return UniversalPatch(delta, *place, self.value_range)
        return UniversalPerturbation(delta, self.epsilon, self.value_range)

    def _place(self, size: Any) -> tuple[int, int]:
        """Of the patch in images of a size; raises where it does not fit."""
        share = self.patch_share
        if share is None:
            return 0, 0
        side = patch_side(share, size)
        row, column = usual_place(side, size) if self.patch_place is None else self.patch_place
        if not (0 <= row <= size[0] - side and 0 <= column <= size[1] - side):
            raise ValueError(
                f"`patch_place` must leave room for {side} x {side} pixels in images of {tuple(size)}. "
                f"Received: patch_place={(row, column)}"
            )
        return int(row), int(column)

    def _stepper(self, shape: tuple[int, ...]) -> tuple[Any, Any]:
        """A compiled step, and a function that gives the perturbation or patch, of that shape."""
        rng = np.random.default_rng(self.seed)
        if self.generator is None:
            start = (self.middle + self.reach * rng.uniform(-0.1, 0.1, shape)).astype("float32")
            delta = keras.Variable(start, trainable=True, dtype="float32")

            def descend(data: tuple[Tensor, Tensor]) -> Tensor:
                (value, _), gradients = self._gradients(data[0], [delta], lambda: keras.ops.convert_to_tensor(delta))
                rate = self.learning_rate * self.reach * data[1]
                moved = keras.ops.convert_to_tensor(delta) - rate * keras.ops.sign(gradients[0])
                delta.assign(keras.ops.clip(moved, self.middle - self.reach, self.middle + self.reach))
                return value

            return backend.stateful_program([delta], descend), lambda: delta
        noise = rng.standard_normal((1, *self.generator.input_shape[1:])).astype("float32")

        def generated() -> Tensor:
            made = self.generator(noise, training=False)  # type: ignore[misc]
            if tuple(made.shape) != (1, *shape):
                raise ValueError(
                    f"`generator` must give {(1, *shape)}. Received: generator with output {tuple(made.shape)}"
                )
            return self.middle + self.reach * keras.ops.tanh(as_float(made[0]))

        generated()
        variables = list(self.generator.trainable_variables)
        optimizer = keras.optimizers.Adam(self.learning_rate)
        optimizer.build(variables)

        def train(data: tuple[Tensor, Tensor]) -> Tensor:
            (value, _), gradients = self._gradients(data[0], variables, generated)
            backend.apply(optimizer, gradients, variables)
            return value

        return backend.stateful_program([*variables, *optimizer.variables], train), generated

    def _gradients(self, images: Tensor, variables: list[Any], delta: Any) -> Any:
        at = [keras.ops.convert_to_tensor(variable) for variable in variables]
        return backend.value_and_gradients(self.encoder, lambda: (self.loss(images, delta()), ()), variables, at=at)

    def _checked(self, images: Any) -> np.ndarray:
        array = np.asarray(images)
        if array.ndim != 4 or len(array) < 2 or array.dtype.kind != "f":
            raise ValueError(
                "`images` must be at least 2 images [N, H, W, C] of floats. "
                f"Received: images of type {array.dtype} and shape {array.shape}"
            )
        low, high = self.value_range
        if not (array.min() >= low - 1e-6 and array.max() <= high + 1e-6):
            raise ValueError(
                f"`images` must lie in `value_range`, ({low:g}, {high:g}). "
                f"Received: images from {array.min():g} to {array.max():g}"
            )
        return array.astype(np.float32)
