"""Tent: adaptation by entropy."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.adaptation.adapter import Adapter
from keras_ssl.losses.entropy_loss import entropy_loss
from keras_ssl.typing import Tensor


class Tent(Adapter):
    """Tent: adapt scale and shift of the batch norms so that predictions become certain.

    Each batch is normalized by its own statistics, and the mean entropy of the predictions is lowered by the gammas and
    betas of all batch norms. Nothing else of the model changes.

    Args:
        model: a built classifier with batch norms, `[N, ...] -> logits [N, K]`.
        optimizer: a Keras optimizer or its name. Defaults to Adam with a rate of 0.001, the paper's for small images.
        steps: gradient steps for each batch. Defaults to 1, the paper's.

    Raises:
        ValueError: if the model has no batch norm with a scale or shift, or as `Adapter`.

    Example:

    ```python
    adapter = keras_ssl.adaptation.Tent(classifier)
    for x in batches:
        logits = adapter.step(x)
    adapter.restore()
    ```

    Reference:
        Wang et al., "Tent: Fully Test-Time Adaptation by Entropy Minimization", ICLR 2021,
        https://arxiv.org/abs/2006.10726.
    """

    def __init__(self, model: keras.Model, optimizer: Any = None, steps: int = 1) -> None:
        super().__init__(model, keras.optimizers.Adam(0.001) if optimizer is None else optimizer, steps)

    def adapted_variables(self) -> Sequence[keras.Variable]:
        """Scale and shift of every batch norm."""
        norms = [layer for layer in self.model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
        return [weight for norm in norms for weight in norm.trainable_weights]

    def loss(self, outputs: Tensor) -> Tensor:
        return keras.ops.mean(entropy_loss(outputs))
