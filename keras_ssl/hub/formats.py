"""Encoders in the formats of other runtimes, and the comparison with what Keras computes."""

import importlib.util
import os
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.hub.atomic import atomic_file
from keras_ssl.hub.golden import golden_inputs, golden_shape
from keras_ssl.hub.pixel_model import PixelModel
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.layers.pixel_scale import ANY_VALUE
from keras_ssl.paths import user_path

Runner = Callable[[np.ndarray], np.ndarray]

TOLERANCE = 1e-3
"""Of the largest feature, by which another runtime may differ."""

_REPEATS = 5


@dataclass(frozen=True)
class Format:
    """A format that an encoder can be written in.

    Args:
        suffix: of the file.
        needs: packages that write and read it, beside those of keras_ssl.
    """

    suffix: str
    needs: tuple[str, ...]


FORMATS = {
    "onnx": Format(".onnx", ("onnx", "onnxruntime", "tf2onnx")),
    "litert": Format(".tflite", ()),
    "openvino": Format(".xml", ("onnx", "onnxruntime", "tf2onnx", "openvino")),
}


@dataclass(frozen=True)
class Written:
    """What `write_format` wrote, and how it compares with Keras.

    Args:
        path: of the file; of OpenVINO, a file with the same name and `.bin` holds the weights.
        size: in bytes, of all its files.
        difference: the largest difference of a feature, over the largest feature.
        milliseconds: for a batch of one, the median of five.
        keras_milliseconds: the same, of Keras' `predict_on_batch`.
        any_size: whether images of another size than the first were computed too.
    """

    path: Path
    size: int
    difference: float
    milliseconds: float
    keras_milliseconds: float
    any_size: bool


def check_format(name: str) -> Format:
    """The format of a name.

    Raises:
        ValueError: if there is none, the backend is not TensorFlow, or a package is missing.

    Example:

    >>> FORMATS["litert"].suffix
    '.tflite'
    """
    if name not in FORMATS:
        raise ValueError(
            f"`format` must be of {', '.join(FORMATS)}; `keras_ssl.export` writes a SavedModel. TensorFlow.js has no "
            f"no converter that is maintained: serve ONNX by onnxruntime-web. Received: format={name!r}"
        )
    found, backend = FORMATS[name], keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            "Other formats are written by KERAS_BACKEND=tensorflow, from what another backend has exported. "
            f"Received: format={name!r} on {backend}"
        )
    missing = [package for package in found.needs if importlib.util.find_spec(package) is None]
    if missing:
        raise ValueError(
            f"The format {name} needs {', '.join(missing)}: pip install 'keras_ssl[formats]'. Received: format={name!r}"
        )
    return found


def write_format(model: keras.Model, path: str | os.PathLike[str], format: str, *, size: int | None = None) -> Written:
    """Writes an encoder for another runtime, and runs it there beside Keras.

    The file takes what the model takes: uint8 pixels of what `keras_ssl.load` returns, or floats of its declared range.
    Batches may have any number of images, and images any size where the encoder allows it and the runtime too.

    Args:
        model: what `keras_ssl.load` returns, or another built model of one input.
        path: of the file. A suffix that is missing is added: `.onnx`, `.tflite`, `.xml`.
        format: "onnx", "litert" or "openvino".
        size: side in pixels of the images of the comparison, for a model that takes any. Defaults to 32.

    Returns:
        A `Written`.

    Raises:
        ValueError: if the format is unknown or cannot be written here, or what was written differs from Keras by more
            than `TOLERANCE` of the largest feature; there is no file then.

    Example:

    ```python
    written = keras_ssl.hub.write_format(keras_ssl.load("barlow_digits"), "barlow.onnx", "onnx")
    ```
    """
    suffix = check_format(format).suffix
    target = Path(user_path(path)).absolute()
    target = target if target.suffix == suffix else target.with_name(target.name + suffix)
    pixels = isinstance(model, PixelModel) and model.value_range is None
    spec = keras.InputSpec(dtype="uint8" if pixels else "float32", shape=(None, *model.input_shape[1:]))
    with atomic_file(target) as staging:
        weights = staging.with_suffix(".bin")  # of OpenVINO alone
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of NumPy, about names that converters use
                _write(model, staging, format, spec)
            run = _RUNNERS[format](staging)
            difference, any_size = _compare(model, run, pixels, size)
            one = _inputs(model, pixels, golden_shape(model, size, 1))
            times = _milliseconds(run, one), _milliseconds(model.predict_on_batch, one)
            sizes = [os.path.getsize(file) for file in (staging, weights) if file.exists()]
            if weights.exists():  # before the file that names it
                os.replace(weights, target.with_suffix(".bin"))
        finally:
            weights.unlink(missing_ok=True)
    return Written(target, sum(sizes), difference, *times, any_size)


def _write(model: keras.Model, path: Path, format: str, spec: keras.InputSpec) -> None:
    if format != "litert":
        _teach_tf2onnx()
    if format != "openvino":
        model.export(path, format=format, verbose=False, input_signature=[spec])
        return
    import openvino

    onnx = path.with_suffix(".onnx")
    try:
        model.export(onnx, format="onnx", verbose=False, input_signature=[spec])
        openvino.save_model(openvino.convert_model(onnx), path, compress_to_fp16=False)
    finally:
        onnx.unlink(missing_ok=True)


def _teach_tf2onnx() -> None:
    """Adds the one operation of our encoders that tf2onnx 1.17 cannot write: `erfc`, of which Keras makes GELU."""
    from tf2onnx import constants, handler

    if any("Erfc" in versions for versions in handler.tf_op.get_opsets().get(constants.ONNX_DOMAIN, [])):
        return

    @handler.tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, graph: Any, node: Any, **kwargs: Any) -> None:
            shape, dtype = graph.get_shape(node.output[0]), graph.get_dtype(node.output[0])
            one = graph.make_const(f"{node.name}_one", np.ones((), "float32")).output[0]
            graph.remove_node(node.name)
            erf = graph.make_node("Erf", [node.input[0]], shapes=[shape], dtypes=[dtype])
            graph.make_node(
                "Sub", [one, erf.output[0]], name=node.name, outputs=node.output, shapes=[shape], dtypes=[dtype]
            )


def _compare(model: keras.Model, run: Runner, pixels: bool, size: int | None) -> tuple[float, bool]:
    """The largest difference over batches of one and three, and whether images of another size are taken too."""
    shape = golden_shape(model, size, 3)
    worst = 0.0
    for count in (1, 3):
        inputs = _inputs(model, pixels, (count, *shape[1:]))
        worst = max(worst, _difference(model, run(inputs), inputs))
    any_size = None in model.input_shape[1:]
    if any_size:
        free = [known is None for known in model.input_shape[1:]]
        larger = (2, *(side + 8 * grows for side, grows in zip(shape[1:], free, strict=True)))
        inputs = _inputs(model, pixels, larger)
        try:
            any_size = _difference(model, run(inputs), inputs) <= TOLERANCE
        except Exception:  # whatever a runtime raises for a shape that its file does not take
            any_size = False
    if not worst <= TOLERANCE:  # NaN too
        raise ValueError(
            f"What was written must give Keras' features within {TOLERANCE} of the largest. Received: {worst:.1e}"
        )
    return worst, any_size


def _inputs(model: keras.Model, pixels: bool, shape: Sequence[int]) -> np.ndarray:
    """Pixels, or floats in [0, 1) or the declared range."""
    drawn = golden_inputs(shape, 0, True)
    if pixels:
        return drawn
    layer = next((layer for layer in model.layers if isinstance(layer, ImagePreprocessing)), None)
    known = None if layer is None else layer.value_range
    low, high = (0.0, 1.0) if known is None or known == ANY_VALUE else known
    return (low + (high - low) * (drawn.astype("float32") / 255)).astype("float32")


def _difference(model: keras.Model, features: np.ndarray, inputs: np.ndarray) -> float:
    expected = np.asarray(model.predict_on_batch(inputs))
    if features.shape != expected.shape:
        raise ValueError(f"Features must be of shape {expected.shape}. Received: {features.shape}")
    return float(np.abs(features - expected).max() / max(float(np.abs(expected).max()), 1e-12))


def _milliseconds(run: Callable[[np.ndarray], Any], inputs: np.ndarray) -> float:
    run(inputs)
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        run(inputs)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _onnx(path: Path) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda inputs: np.asarray(session.run(None, {name: inputs})[0])


def _litert(path: Path) -> Runner:
    if importlib.util.find_spec("ai_edge_litert") is None:
        import tensorflow as tf

        interpreter = tf.lite.Interpreter(str(path))
    else:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
    place, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(inputs: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(place, inputs.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, inputs)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(answer))

    return run


def _openvino(path: Path) -> Runner:
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: np.asarray(compiled(inputs)[0])


_RUNNERS: dict[str, Callable[[Path], Runner]] = {"onnx": _onnx, "litert": _litert, "openvino": _openvino}
