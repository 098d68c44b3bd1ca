"""Where gradients accumulated over micro-batches are not those of one large batch."""

from typing import Any

from keras_ssl.layers.batch_normalization import trained_batch_norms
from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.messages import warn


def accumulation_differences(model: Any) -> tuple[str, ...]:
    """See `SSLModel.accumulation_differences`."""
    layers = list(model._flatten_layers(include_self=False))
    found = []
    if model.compares_samples:
        found.append("the loss compares the samples of a batch, and a micro-batch holds fewer")
    if trained_batch_norms(model):
        found.append("batch normalization has the statistics of the micro-batch")
    state = [layer.name for layer in layers if isinstance(layer, StateLayer) and layer.from_batch]
    if state:
        found.append(f"of an update's micro-batches only the last enters {', '.join(state)}")
    if any(getattr(layer, "labeled_means", False) for layer in (model, *layers)):
        found.append("a mean is over the labeled samples, of which micro-batches may hold more or fewer")
    return tuple(found)


def warn_of_accumulation(model: Any) -> None:
    """Says so where `fit` accumulates gradients and that is not training on the large batch."""
    steps = getattr(model.optimizer, "inner_optimizer", model.optimizer).gradient_accumulation_steps
    found = accumulation_differences(model) if steps else ()
    if found:
        warn(
            f"Accumulating the gradients of {steps} batches is not training {type(model).__name__} on a batch {steps} "
            f"times as large: {'; '.join(found)}.",
            stacklevel=3,
        )
