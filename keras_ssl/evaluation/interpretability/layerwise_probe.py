"""What a linear probe reads from each layer of a model."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_ssl.evaluation.interpretability.recorded_outputs import recorded_outputs
from keras_ssl.evaluation.linear_probe import linear_probe
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["LayerProbe", "layerwise_probe", "singular_value_spread"]


class LayerProbe(NamedTuple):
    """The accuracy of a linear probe on a layer's features, and the spread of their singular values.

    Example:

    >>> LayerProbe(accuracy=0.9, spread=12.0).accuracy
    0.9
    """

    accuracy: float
    spread: float


def singular_value_spread(features: Tensor) -> float:
    r"""The condition number of features: how unequally they weight their directions.

    :math:`\sigma_1 / \sigma_r` of the centered features, over their r = min(N - 1, D) singular values. It is 1 where
    all directions vary equally, and infinite where one does not vary at all.

    Args:
        features: `[N, D]`, N at least 2.

    Returns:
        The ratio, at least 1; NaN where nothing varies.

    Example:

    >>> round(singular_value_spread([[1.0, 0.0], [-1.0, 0.0], [0.0, 4.0], [0.0, -4.0]]), 6)
    4.0
    """
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"`features` must be finite, [N, D] with N at least 2. Received: features.shape={x.shape}")
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[: min(len(x) - 1, x.shape[1])]
    if values[0] == 0:
        return float("nan")
    lost = values[-1] <= values[0] * np.finfo(np.float64).eps * max(x.shape)
    return float("inf") if lost else float(values[0] / values[-1])


def layerwise_probe(
    model: keras.Model,
    x: Any,
    y: Tensor,
    x_test: Any,
    y_test: Tensor,
    layers: Sequence[str] | None = None,
    batch_size: int = 256,
    regularization: float = 1e-3,
) -> dict[str, LayerProbe]:
    """Accuracy of a linear probe on each layer of a model, and how unequally each layer weights its directions.

    A projection head learns what the loss asks for and drops the rest, so that earlier layers hold more of what other
    tasks need, and weight it more evenly. Feature maps and tokens `[N, ..., C]` are averaged over places.

    Args:
        model: a built Keras model; it runs in inference mode and not compiled.
        x: inputs of the probe's training `[N, ...]`.
        y: labels `[N]`.
        x_test: inputs `[M, ...]`.
        y_test: labels `[M]`.
        layers: names of the layers, at any depth; a name that several layers have stands for the first of them.
            Defaults to None: the layers of the model itself.
        batch_size: inputs in a batch. Defaults to 256.
        regularization: of `linear_probe`. Defaults to 1e-3.

    Returns:
        For each layer by name, in the order of the calls, its `accuracy` on the test part, 0 to 1, and the `spread` of
        the singular values of its test features. A layer that is called twice is taken at its last call.

    Raises:
        ValueError: if a layer is unknown, not called or gives no `[N, ..., C]`, or as `linear_probe`.

    Example:

    >>> encoder = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(4, name="a"), keras.layers.ReLU()])
    >>> x, y = np.eye(4, dtype="float32"), np.array([0, 0, 1, 1])
    >>> list(layerwise_probe(encoder, x, y, x, y, layers=["a"]))
    ['a']

    Reference:
        Xue et al., "Investigating the Benefits of Projection Head for Representation Learning", ICLR 2024.
    """
    batch_size = check_integer("batch_size", batch_size, 1)
    known: dict[str, keras.layers.Layer] = {}
    for layer in model._flatten_layers(include_self=False):
        known.setdefault(layer.name, layer)
    if layers is None:
        layers = [layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    unknown = [name for name in layers if name not in known]
    if unknown or not layers:
        raise ValueError(f"`layers` must name layers of the model. Received: layers={list(layers)}")
    chosen = [known[name] for name in layers]
    train, order = _features(model, chosen, x, batch_size)
    test, _ = _features(model, chosen, x_test, batch_size)
    if len(order) < len(chosen):
        missing = [name for number, name in enumerate(layers) if number not in order]
        raise ValueError(f"`layers` must be called by the model. Received: layers={missing}, which are not")
    found = {}
    for number in order:
        accuracy = linear_probe(train[number], y, test[number], y_test, regularization)
        found[layers[number]] = LayerProbe(accuracy, singular_value_spread(test[number]))
    return found


def _features(
    model: keras.Model, layers: Sequence[keras.layers.Layer], x: Any, batch_size: int
) -> tuple[dict[int, np.ndarray], list[int]]:
    parts: dict[int, list[np.ndarray]] = {}
    for start in range(0, len(x), batch_size):
        last = dict(recorded_outputs(model, layers, x[start : start + batch_size]))
        for number, output in last.items():
            if output.ndim < 2:
                raise ValueError(
                    f"`layers` must give [N, ..., C]. Received: layers with output of shape {output.shape}"
                )
            parts.setdefault(number, []).append(output.mean(axis=tuple(range(1, output.ndim - 1))))
    return {number: np.concatenate(rows) for number, rows in parts.items()}, list(parts)
