"""Merging with coefficients that make the merged model sure of unlabeled data."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.merging.anisotropic_task_vectors import AnisotropicTaskVectors

__all__ = ["AdaMerging"]


class AdaMerging(AnisotropicTaskVectors):
    """Learns the coefficients of task arithmetic on unlabeled data, by the entropy of the predictions.

    `theta = theta_0 + sum_k lambda[k, l] (theta_k - theta_0)` with coefficients by expert ("model") or by expert and
    weight ("tensor"), which begin at 0.3 and are kept in [0, 1]. They are trained to lower the sum over tasks of the
    mean entropy of the softmax, on unlabeled batches of all tasks. It is `AnisotropicTaskVectors` with another
    objective, start and range, and shares its code and methods.

    Args:
        model: the pretrained model, built. It gives logits `[N, K]`; or, with `heads`, features.
        experts: models that were fine-tuned from it, or their weights by name.
        heads: None, or for each expert's task a layer or function from features to logits. Defaults to None.
        by: "tensor" (layer-wise AdaMerging of the authors' code, which has one for each tensor), "layer" or "model"
            (task-wise). Defaults to "tensor".
        initial: where the coefficients begin. Defaults to 0.3.
        bounds: least and largest coefficient. Defaults to (0, 1). The authors' code cuts them in the forward pass;
            here they are cut after each step, so that one at the border can come back.
        optimizer: a Keras optimizer or its name. Defaults to None: Adam at a rate of 0.001, as in the paper.

    Raises:
        ValueError: as for `AnisotropicTaskVectors`.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> expert = {name: np.ones(w.shape, "float32") for name, w in keras_ssl.weights.named_weights(model).items()}
    >>> merge = AdaMerging(model, [expert], by="model")
    >>> round(float(merge.coefficients[0, 0]), 1)
    0.3
    >>> entropy = merge.step([np.array([[1.0, 0.0], [0.0, 2.0]])])

    Reference: Yang et al., "AdaMerging: Adaptive model merging for multi-task learning", ICLR 2024,
    https://arxiv.org/abs/2310.02575.
    """

    default_rate: ClassVar[float] = 0.001

    def __init__(
        self,
        model: keras.Model,
        experts: Sequence[keras.Model | Mapping[str, np.ndarray]],
        heads: Sequence[Any] | None = None,
        by: str = "tensor",
        initial: float = 0.3,
        bounds: tuple[float, float] | None = (0.0, 1.0),
        optimizer: Any = None,
    ) -> None:
        super().__init__(model, experts, heads, by, "entropy", initial, bounds, optimizer)
