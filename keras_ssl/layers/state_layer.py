"""What all layers have in common that keep state between steps: queues, tables, centers, teachers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from keras_ssl.signature_config import Configured

_HALF = ("float16", "bfloat16")


@dataclass(frozen=True)
class Plan:
    """What a call of `fit` is about to do, as far as the data tell.

    Args:
        samples: number of samples of the data; None where it is unknown.
        batch_size: of the global batch; None where it is unknown.
        updates: number of updates of the optimizer there will have been at the end; None where it is unknown.
    """

    samples: int | None = None
    batch_size: int | None = None
    updates: int | None = None


class StateLayer(Configured, keras.layers.Layer):
    """Base of the layers whose weights are changed by `update` and not by the optimizer.

    Such weights take many small steps, which half precision rounds away: they are float32 whatever the dtype policy
    of the model, unless `dtype` asks for float64.

    Args:
        **kwargs: `name`, `dtype` ("float32" by default).

    Raises:
        ValueError: if `dtype` keeps weights in half precision.
    """

    from_batch: ClassVar[bool] = True
    """Whether the state comes from the embeddings of a batch, and not from weights."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if self.variable_dtype in _HALF:
            raise ValueError(
                f"The state of {type(self).__name__} takes small steps, which half precision rounds away: leave "
                f'`dtype` away, or take "mixed_{self.variable_dtype}". Received: dtype={self.dtype_policy.name}'
            )

    def advice(self, plan: Plan) -> list[str]:
        """Where the layer does not suit a run: a sentence each, with the argument and a value that would suit."""
        return []


def check_full_precision(layer: keras.layers.Layer, what: str) -> None:
    """Raises a `ValueError` if a layer has weights in half precision.

    Args:
        layer: a built layer.
        what: what needs more, the subject of the message.
    """
    for weight in layer.weights:
        dtype = keras.backend.standardize_dtype(weight.dtype)
        if dtype in _HALF:
            raise ValueError(
                f"{what} takes small steps, which half precision rounds away: build encoder and objective under "
                f'the dtype policy "mixed_{dtype}", whose weights are float32. '
                f"Received: layer {layer.name} with the weight {weight.path} of dtype {dtype}"
            )


def late(argument: str, steps: int, plan: Plan, effect: str) -> list[str]:
    """Advice on a number of updates at the start of a run that the run does not exceed.

    Args:
        argument: its name.
        steps: its value.
        plan: the run.
        effect: what comes of it.
    """
    if not steps or not plan.updates or steps < plan.updates:
        return []
    return [
        f"`{argument}={steps}`: the run ends after {plan.updates} updates, so that {effect}; "
        f"`{argument}={plan.updates // 100}` would suit."
    ]
