"""How large the logits of attention have become."""

from typing import Any

import keras

from keras_ssl.layers.self_attention import SelfAttention
from keras_ssl.typing import Logs

__all__ = ["AttentionLogitMonitor"]


class AttentionLogitMonitor(keras.callbacks.Callback):
    """Logs at the end of each epoch the largest attention logit of a batch: `max_attention_logit`.

    The largest absolute value of `q . k / sqrt(D / heads)` over samples, heads, pairs of tokens and all `SelfAttention`
    layers of a functional model. Where it grows into the hundreds, attention looks at single tokens and training is
    about to diverge: lower the rate, or set `qk_norm`. Put the callback before those that read the logs.

    Args:
        inputs: a batch as the network takes it, on which the logits are computed.
        network: a functional `keras.Model` with `SelfAttention` layers, such as `encoders.ViT`. Defaults to None: the
            encoder of the model that is trained where it has one, else the model itself.

    Raises:
        ValueError: when training begins, if the network is not functional or has no such layer.

    Example:

    ```python
    monitor = keras_ssl.callbacks.AttentionLogitMonitor(inputs, network=encoder)
    model.fit(images, epochs=10, callbacks=[monitor])
    ```

    Reference: Wortsman et al., "Small-scale proxies for large-scale Transformer training instabilities", ICLR 2024.
    """

    def __init__(self, inputs: Any, network: keras.Model | None = None) -> None:
        super().__init__()
        self.inputs, self.network = inputs, network
        self._layers: list[SelfAttention] = []
        self._taps: keras.Model | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        network: Any = self.network or getattr(self.model, "encoder", self.model)
        layers = [layer for layer in getattr(network, "layers", []) if isinstance(layer, SelfAttention)]
        if not layers or not hasattr(network, "operations"):
            raise ValueError(
                f"`network` must be a functional model with SelfAttention layers. Received: network={network!r}"
            )
        self._layers = layers
        self._taps = keras.Model(network.input, [layer.input for layer in layers])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is None or self._taps is None:
            return
        found = self._taps(self.inputs, training=False)
        found = found if isinstance(found, list | tuple) else [found]
        largest = [
            float(keras.ops.max(keras.ops.absolute(layer.logits(qkv))))
            for layer, qkv in zip(self._layers, found, strict=True)
        ]
        logs["max_attention_logit"] = max(largest)
