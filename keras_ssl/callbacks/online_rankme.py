"""The effective rank of the features while they are learned."""

import numpy as np

from keras_ssl.callbacks.online_evaluation import Images, OnlineEvaluation
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.ordered_inputs import OrderedInputs
from keras_ssl.evaluation.rankme import rankme
from keras_ssl.evaluation.validation import as_images


class OnlineRankMe(OnlineEvaluation):
    """Logs RankMe, the effective rank of the model's features, at the end of epochs; it needs no labels.

    The measure is `keras_ssl.evaluation.rankme`, from 1 (collapse) to `min(N, D)`. The features are those of
    `model.predict`. Put the callback before those that read the logs (TensorBoard, ModelCheckpoint); the
    progress bar and the history see it anyway. Features with NaN log NaN.

    Args:
        x: images `[N, ...]`, in the type that the model expects (uint8), or a data set of `keras_ssl.data`;
            several times as many as features
            have dimensions, and a few thousand at most, as the time grows with `N * D * min(N, D)`.
        every: epochs from one evaluation to the next; the last epoch is always evaluated. Defaults to 1.
        batch_size: images in a batch. Defaults to 256.
        name: the key in the logs. Defaults to `"rankme"`.

    Raises:
        ValueError: if there are no images or an argument is out of range.

    Example:

    ```python
    images, _ = keras_ssl.data.colored_digits("test")
    model.fit(images, epochs=10, callbacks=[keras_ssl.callbacks.OnlineRankMe(images)])
    ```
    """

    def __init__(self, x: Images, every: int = 1, batch_size: int = 256, name: str = "rankme") -> None:
        images = OrderedInputs(x) if isinstance(x, EpochBatches) else as_images("x", x)
        super().__init__((images,), every, batch_size, name)

    def measure(self, *features: np.ndarray) -> float:
        return rankme(*features)
