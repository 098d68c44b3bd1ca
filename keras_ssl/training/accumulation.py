"""Where gradients accumulated over micro-batches are not those of one large batch."""

import warnings
from typing import Any

from keras_ssl.layers.batch_normalization import trained_batch_norms
from keras_ssl.layers.centering import Centering
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.online_clusters import OnlineClusters
from keras_ssl.layers.running_covariance import RunningCovariance
from keras_ssl.layers.sample_table import SampleTable
from keras_ssl.layers.symmetric_predictor import SymmetricPredictor

OF_A_BATCH = (Centering, FeatureQueue, OnlineClusters, RunningCovariance, SampleTable, SymmetricPredictor)
"""Layers whose state comes from the embeddings of a batch; a teacher's comes from weights."""


def accumulation_differences(model: Any) -> tuple[str, ...]:
    """See `SSLModel.accumulation_differences`."""
    layers = list(model._flatten_layers(include_self=False))
    found = []
    if model.compares_samples:
        found.append("the loss compares the samples of a batch, and a micro-batch holds fewer")
    if trained_batch_norms(model):
        found.append("batch normalisation has the statistics of the micro-batch")
    state = [layer.name for layer in layers if isinstance(layer, OF_A_BATCH)]
    if state:
        found.append(f"of an update's micro-batches only the last enters {', '.join(state)}")
    return tuple(found)


def warn_of_accumulation(model: Any) -> None:
    """Says so where `fit` accumulates gradients and that is not training on the large batch."""
    steps = getattr(model.optimizer, "inner_optimizer", model.optimizer).gradient_accumulation_steps
    found = accumulation_differences(model) if steps else ()
    if found:
        warnings.warn(
            f"Accumulating the gradients of {steps} batches is not training {type(model).__name__} on a batch {steps} "
            f"times as large: {'; '.join(found)}.",
            stacklevel=3,
        )
