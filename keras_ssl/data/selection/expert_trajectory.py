"""The path of a model's weights during training on real data."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number

__all__ = ["ExpertTrajectory"]


class ExpertTrajectory(keras.callbacks.Callback):
    """Keeps the trainable weights before training and after each epoch, for `TrajectoryMatchingDistillation`.

    In the first epochs the learning rate is scaled by `clip`, so that the path is smooth where it is steepest. For SGD
    this is the same as scaling the loss, which the paper calls the clipping loss. The gradient penalty needs another
    training step: see `TrajectoryMatchingDistillation.train_expert`.

    Args:
        clip: factor of each of the first epochs, in (0, 1]. Defaults to none: training as it is.

    Attributes:
        checkpoints: a list over time of lists of float32 arrays, in the order of `model.trainable_variables`.

    Raises:
        ValueError: if a factor is out of range; at the start of training, if factors are given and the learning rate
            is a schedule.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> trajectory = ExpertTrajectory()
    >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[trajectory])
    >>> len(trajectory.checkpoints), [weight.shape for weight in trajectory.checkpoints[0]]
    (3, [(2, 1), (1,)])

    Reference: Shen, Yang and Lam, "Efficient Dataset Distillation through Alignment with Smooth and High-Quality Expert
    Trajectories", 2023, https://arxiv.org/abs/2310.10541.
    """

    def __init__(self, clip: Sequence[float] = ()) -> None:
        super().__init__()
        self.clip = tuple(check_number("clip", factor, 0.0, 1.0, above=True) for factor in clip)
        self.checkpoints: list[list[np.ndarray]] = []
        self._rate = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.checkpoints = [self._weights()]
        if self.clip:
            optimizer = self.model.optimizer
            if isinstance(optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
                raise ValueError(f"`clip` needs a constant learning rate. Received: clip={self.clip}, and a schedule")
            self._rate = float(optimizer.learning_rate)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        done = len(self.checkpoints) - 1
        if self.clip and done <= len(self.clip):
            factor = self.clip[done] if done < len(self.clip) else 1.0
            self.model.optimizer.learning_rate = self._rate * factor

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.checkpoints.append(self._weights())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.clip:
            self.model.optimizer.learning_rate = self._rate

    def _weights(self) -> list[np.ndarray]:
        return [np.array(keras.ops.convert_to_numpy(v), "float32") for v in self.model.trainable_variables]
