"""The public conformance suite for views."""

import json
from collections.abc import Callable
from typing import Any, NoReturn

import keras
import numpy as np

from keras_ssl.random import Stream
from keras_ssl.views.view import View, deserialize_view, serialize_view

_SEED, _STEP = 11, 3
_BATCH = 2
_STEPS = 256  # so many that even a view that changes one image in a hundred changes some
_TOLERANCE = 1e-6


def check_view(view: View, image_size: int = 16, channels: int = 3) -> None:
    """Checks that a view keeps what the library promises of views.

    The checks, in their order:

    - `output`: finite float32 tensors `[N, H, W, C]` (one, or a list of them), for an image of noise and one
      that is half black and white, half a gradient;
    - `range`: where the view claims `unit_range`, values in [0, 1] for images in [0, 1];
    - `compiled`: where the view says `supports_jit`, the result under XLA equals the eager one;
    - `repeatable`: the same seed, step and positions give the same result, to the bit;
    - `config`: `get_config` survives JSON and makes an equal view with equal results;
    - `uint8`: images in uint8 give what the same images in [0, 1] give;
    - `random`: another step gives another result if and only if the view says `is_random`;
    - `independence`: a sample's result depends on its own image and position only: with other images
      beside it, in another order, and alone it is the same. That makes the views of several replicas
      those of one device. A view that says `whole_batch` is only checked in another order: it is refused
      where replicas hold parts of a batch.

    Results are compared to 1e-6 of the largest value, or of 1.

    Args:
        view: the view.
        image_size: side of the images in pixels; default 16. Small is fast.
        channels: their number of channels; default 3.

    Raises:
        ValueError: if a check fails. The message names the check and what was found.

    Example:

    >>> from keras_ssl.testing.check_view import check_view
    >>> from keras_ssl.views import RandomFlip
    >>> check_view(RandomFlip(0.5), image_size=4)

    Reference: the idea of a public suite is scikit-learn's `check_estimator`.
    """
    if not isinstance(view, View):
        raise ValueError(f"Argument `view` must be a keras_ssl.views.View. Received: view={view!r}")
    suite = _Suite(view, image_size, channels)
    suite.check_output()
    suite.check_compiled()
    suite.check_repeatable()
    suite.check_config()
    suite.check_uint8()
    suite.check_random()
    suite.check_independence()


class _Suite:
    """The checks, over one view and one batch of images."""

    def __init__(self, view: View, image_size: int, channels: int) -> None:
        self.view = view
        rng = np.random.default_rng(0)
        shape = (image_size, image_size, channels)
        gradient = np.linspace(0, 255, image_size)[:, None, None] * rng.uniform(0.2, 1.0, channels)
        extremes = rng.choice([0, 255], shape)
        mixed = np.where(np.arange(image_size)[None, :, None] < image_size // 2, extremes, gradient)
        self.images = np.stack([rng.integers(0, 256, shape), mixed]).astype(np.uint8)
        self.positions = np.arange(_BATCH)
        self.call: Callable[..., Any] = self._call
        self.expected = self.run(self.images)

    def _call(self, images: Any, seed: Any, step: Any, positions: Any) -> Any:
        return self.view(images, Stream(seed, step, positions))

    def run(
        self,
        images: np.ndarray,
        positions: Any = None,
        step: int = _STEP,
        call: Callable[..., Any] | None = None,
    ) -> list[np.ndarray]:
        """The results, as a list of arrays."""
        positions = self.positions if positions is None else positions
        numbers = (np.uint32(_SEED), np.uint32(step), np.asarray(positions, np.uint32))
        results = (call or self.call)(*(keras.ops.convert_to_tensor(v) for v in (images, *numbers)))
        results = list(results) if isinstance(results, list | tuple) else [results]
        return [keras.ops.convert_to_numpy(result) for result in results]

    def fail(self, check: str, found: str) -> NoReturn:
        raise ValueError(f"check_view: {self.view!r} fails `{check}`: {found}.")

    def compare(self, check: str, what: str, got: list[np.ndarray], expected: list[np.ndarray]) -> None:
        """Fails unless two results are equal to rounding."""
        for number, (a, b) in enumerate(zip(got, expected, strict=True)):
            if a.shape != b.shape:
                self.fail(check, f"{what}: result {number} has the shape {a.shape} instead of {b.shape}")
            difference = float(np.abs(a - b).max(initial=0.0))
            if not difference <= _TOLERANCE * max(1.0, float(np.abs(b).max(initial=0.0))):
                self.fail(check, f"{what}: result {number} differs by {difference:.3g}")

    def check_output(self) -> None:
        for number, result in enumerate(self.expected):
            if result.ndim != 4 or len(result) != _BATCH:
                shape = (_BATCH, "H", "W", "C")
                self.fail("output", f"result {number} has the shape {result.shape} instead of {shape}")
            if result.dtype != np.float32:
                self.fail("output", f"result {number} is {result.dtype} instead of float32")
            if not np.isfinite(result).all():
                self.fail("output", f"result {number} is not finite")
            low, high = float(result.min()), float(result.max())
            if self.view.unit_range and not -_TOLERANCE <= low <= high <= 1.0 + _TOLERANCE:
                self.fail("range", f"unit_range is True, but result {number} lies in [{low:.6g}, {high:.6g}]")

    def check_compiled(self) -> None:
        if not self.view.supports_jit:
            return
        program = _compiled(self._call)
        try:
            got = self.run(self.images, call=program)
        except Exception as error:
            raise ValueError(f"check_view: {self.view!r} fails `compiled`: it does not compile.") from error
        self.compare("compiled", "under XLA", got, self.expected)
        if keras.backend.backend() == "jax":
            # JAX compiles anyway: every operation by itself, and every loop again at each call.
            self.call = program

    def check_repeatable(self) -> None:
        for a, b in zip(self.run(self.images), self.run(self.images), strict=True):
            if not np.array_equal(a, b):
                self.fail("repeatable", "a second call with the same stream gives another result")

    def check_config(self) -> None:
        try:
            config = json.loads(json.dumps(serialize_view(self.view)))
            copy = deserialize_view(config)
        except (TypeError, ValueError) as error:
            self.fail("config", f"it is not rebuilt from its config ({error})")
        if copy != self.view:
            self.fail("config", f"its config makes {copy!r}")
        view, self.view = self.view, copy
        got = self.run(self.images, call=self._call)
        self.view = view
        self.compare("config", "the view that its config makes", got, self.expected)

    def check_uint8(self) -> None:
        got = self.run(self.images.astype(np.float32) / np.float32(255.0))
        self.compare("uint8", "the images in [0, 1] instead of uint8", got, self.expected)

    def check_random(self) -> None:
        if self.view.is_random and self.images.shape[-1] != 3:
            return  # views of colors may leave other images as they are, whatever they draw
        here = self.run(self.images)  # compared to the bit: not with `expected`, which may be the eager result
        differs = any(
            not np.array_equal(a, b)
            for step in range(_STEP + 1, _STEP + 1 + (_STEPS if self.view.is_random else 4))
            for a, b in zip(self.run(self.images, step=step), here, strict=True)
        )
        if differs and not self.view.is_random:
            self.fail("random", "is_random is False, but another step gives another result")
        if self.view.is_random and not differs:
            self.fail("random", f"is_random is True, but {_STEPS} steps give the same result")

    def check_independence(self) -> None:
        got = [result[::-1] for result in self.run(self.images[::-1].copy(), self.positions[::-1].copy())]
        self.compare("independence", "the samples in reverse order", got, self.expected)
        if self.view.whole_batch:
            return
        others = np.stack([self.images[0], 255 - self.images[1]])
        got = [result[:1] for result in self.run(others)]
        expected = [result[:1] for result in self.expected]
        self.compare("independence", "the first sample, when the second one changes", got, expected)
        for n in range(_BATCH):
            got = self.run(self.images[n : n + 1], self.positions[n : n + 1])
            expected = [result[n : n + 1] for result in self.expected]
            self.compare("independence", f"sample {n} in a batch of one", got, expected)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under XLA."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)
