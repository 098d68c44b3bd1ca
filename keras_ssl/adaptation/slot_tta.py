"""Slot-TTA: adaptation to a scene by its reconstruction."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.adaptation.adapter import Adapter
from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor

__all__ = ["SlotTTA"]


class SlotTTA(Adapter):
    """Slot-TTA: adapt a slot model to each scene by a few steps on its reconstruction, then segment the scene.

    `segment(x)` takes the scenes one by one: gradient steps on the scene's mean squared error, masks by the adapted
    model, and back to the weights and the optimizer of the last `snapshot`, to the bit. With no steps it gives the
    masks of the model as it is. Networks run in inference mode throughout.

    `step(x)` of the base adapts to a batch without going back, and returns its masks `[N, K, H, W]`.

    Args:
        model: `keras_ssl.SlotAutoencoder`, or another with a method `decompose(x)` whose result has `masks`
            `[N, K, H, W]` and `error` `[N]`.
        optimizer: a Keras optimizer or its name. Defaults to Adam with a rate of 5e-4, that of the authors' code.
        steps: gradient steps for each scene, at least 0. Defaults to 150, as in the authors' code.
        part: which weights adapt: "all" (default), as in the authors' code, or "encoder".

    Raises:
        ValueError: if the model has no `decompose`, an argument is out of range, or as `Adapter`.

    Example:

    ```python
    model.fit({"x": images, "masks": masks}, epochs=10)
    found = keras_ssl.adaptation.SlotTTA(model, steps=20).segment(other_images)
    ```

    Reference:
        Prabhudesai et al., "Test-time Adaptation with Slot-Centric Models", ICML 2023, https://arxiv.org/abs/2203.11194.
    """

    least_steps: ClassVar[int] = 0

    def __init__(self, model: keras.Model, optimizer: Any = None, steps: int = 150, part: str = "all") -> None:
        if part not in ("all", "encoder"):
            raise ValueError(f"`part` must be 'all' or 'encoder'. Received: part={part!r}")
        self.part = part
        super().__init__(model, keras.optimizers.Adam(5e-4) if optimizer is None else optimizer, steps)
        self._masks = backend.program(model, lambda images: model.decompose(images).masks)

    def check_model(self, model: Any) -> None:
        if not isinstance(model, keras.Model) or not model.built or not hasattr(model, "decompose"):
            raise ValueError(
                "`model` must be a built model with a method `decompose`, such as keras_ssl.SlotAutoencoder. "
                f"Received: model={model!r}"
            )

    def adapted_variables(self) -> Sequence[keras.Variable]:
        return self.model.trainable_variables if self.part == "all" else self.model.encoder.trainable_variables

    def loss(self, outputs: Any) -> Tensor:
        """The mean reconstruction error of the scenes of a batch."""
        return keras.ops.mean(outputs.error)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        scene = self.model.decompose(inputs)
        return self.loss(scene), scene.masks

    def step(self, x: Any) -> np.ndarray:
        if not self.steps:
            return np.asarray(keras.ops.convert_to_numpy(self._masks(keras.ops.convert_to_tensor(x))))
        return super().step(x)

    def segment(self, x: Any) -> np.ndarray:
        """The slot that explains each pixel best, scene by scene after its own adaptation: int32 `[N, H, W]`.

        Args:
            x: images `[N, H, W, C]`, on the scale of the data. The model is afterwards as at the last `snapshot`.

        Raises:
            ValueError: if there is no image, or the loss of a scene is not finite.
        """
        images = np.asarray(x)
        if images.ndim != 4 or not len(images):
            raise ValueError(f"`x` must be images [N, H, W, C]. Received: x.shape={images.shape}")
        found = []
        try:
            for number in range(len(images)):
                self.restore()
                scene = images[number : number + 1]
                if self.steps:
                    super().step(scene)
                masks = self._masks(keras.ops.convert_to_tensor(scene))
                found.append(keras.ops.convert_to_numpy(masks)[0].argmax(axis=0))
        finally:
            self.restore()
        return np.stack(found).astype(np.int32)
