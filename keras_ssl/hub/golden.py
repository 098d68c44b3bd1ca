"""Golden features: what an entry's encoder gave for known inputs when it was written."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from safetensors.numpy import save

from keras_ssl.checkpoints.read_safetensors import parse_safetensors
from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.layers.pixel_scale import to_unit_range
from keras_ssl.random import threefry2x32
from keras_ssl.training.encoder_front import encoder_shapes

GOLDEN_NAME = "golden.safetensors"
TOLERANCE = 1e-3
"""Of the largest feature, by which features may differ on another backend or device; half precision differs by more."""

_LARGEST = 2**26  # numbers; a file must not ask for more
_SIDE = 32  # where neither card nor encoder says how large images are


def golden_inputs(shape: Sequence[int], seed: int = 0, pixels: bool = True) -> np.ndarray:
    """Inputs that follow from shape and seed alone, the same bits everywhere.

    Args:
        shape: of the batch.
        seed: integer in [0, 2**32). Defaults to 0.
        pixels: True (default) for uint8, False for float32 numbers in [-1, 1).

    Example:

    >>> golden_inputs((1, 2, 2, 1)).ravel().tolist()
    [107, 80, 100, 184]
    """
    places = np.arange(int(np.prod(shape, dtype=np.int64)), dtype="uint32")
    key = (np.array([seed], "uint32"), np.array([0], "uint32"))
    words, _ = threefry2x32(key, (places, np.zeros_like(places)), np)
    if pixels:
        return (words >> 24).astype("uint8").reshape(shape)
    return ((words >> 8).astype("float32") * np.float32(2.0**-23) - np.float32(1.0)).reshape(shape)


def golden_shape(encoder: keras.Model, size: int | None = None, count: int = 2) -> tuple[int, ...]:
    """The shape of inputs for an encoder; where it takes any side, `size`, else that of its positions, else 32."""
    side = size or getattr(encoder, "image_size", None) or _SIDE
    return (count, *(side if length is None else length for length in encoder_shapes(encoder)[0][1:]))


def features_of(encoder: keras.Model, preprocessing: keras.layers.Layer | None) -> Callable[[np.ndarray], np.ndarray]:
    """A function of inputs to features, as the other functions here take it."""

    def features(inputs: np.ndarray) -> np.ndarray:
        prepared = inputs
        if isinstance(preprocessing, ImagePreprocessing):  # of a declared range too, which uint8 may not fit
            prepared = preprocessing.normalize(to_unit_range(inputs))
        elif preprocessing is not None:
            prepared = preprocessing(inputs)
        return np.asarray(keras.ops.convert_to_numpy(encoder(prepared, training=False)))

    return features


def golden_bytes(model: Callable[[np.ndarray], np.ndarray], shape: Sequence[int], pixels: bool = True) -> bytes:
    """A safetensors file of what `model` gives for `golden_inputs(shape)`: `features`, `shape` and `seed`."""
    features = np.ascontiguousarray(model(golden_inputs(shape, 0, pixels)), "float32")
    return save({"features": features, "shape": np.array(shape, "int64"), "seed": np.array(0, "int64")})


def golden_error(model: Callable[[np.ndarray], np.ndarray], content: bytes, pixels: bool = True) -> float:
    """How far `model` is from a file that `golden_bytes` made.

    Returns:
        The largest difference of a feature over the largest feature; infinite where one is not a number.

    Raises:
        ValueError: if the file is damaged, or the features have another shape.
    """
    try:
        tensors = parse_safetensors(content)
        shape, seed, expected = (tensors[key] for key in ("shape", "seed", "features"))
        sizes = shape.tolist()
        if shape.dtype.kind != "i" or min(sizes) < 1 or np.prod(sizes, dtype=object) > _LARGEST or expected.size == 0:
            raise ValueError(f"inputs of shape {sizes}")
        inputs = golden_inputs(sizes, int(seed), pixels)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"A file of golden features is damaged ({error}). Received: {len(content)} bytes") from error
    actual = model(inputs)
    if actual.shape != expected.shape:
        raise ValueError(
            f"The features must be of shape {tuple(expected.shape)}. Received: features of shape {tuple(actual.shape)}"
        )
    largest = float(np.abs(actual - expected).max()) / max(float(np.abs(expected).max()), 1e-12)
    return largest if np.isfinite(largest) else float("inf")
