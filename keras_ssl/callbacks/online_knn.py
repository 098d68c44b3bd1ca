"""Nearest-neighbor accuracy of the features while they are learned."""

import numpy as np

from keras_ssl.callbacks.online_evaluation import Images, OnlineEvaluation, labelled_split
from keras_ssl.evaluation.knn import check_neighbors, knn_accuracy
from keras_ssl.typing import Tensor


class OnlineKNN(OnlineEvaluation):
    """Logs the weighted kNN accuracy of the model's features at the end of epochs.

    The features are those of `model.predict`, so for an objective of this library the encoder's, in inference
    mode, and the measure is `keras_ssl.evaluation.knn_accuracy`. Training is not disturbed. Put the callback
    before those that read the logs (TensorBoard, ModelCheckpoint); the progress bar and the history see it
    anyway. Features with NaN log NaN.

    Args:
        x_train: images to find neighbors among, `[N, ...]`, in the type that the model expects (uint8); or a
            labelled data set of `keras_ssl.data`, such as `from_folder` makes, which is read anew batch by batch.
        y_train: their classes, integers or strings `[N]`; samples of -1 (unlabeled) are left out. Defaults to
            `None`: those of the data set.
        x_test: images to classify, in the same forms. Defaults to `None`: a fifth of `x_train`, always the same and
            drawn at random, is held out for it.
        y_test: the classes of `x_test`.
        k: number of neighbors. Defaults to 20.
        temperature: of the weights `exp(similarity / temperature)`. Defaults to 0.07.
        every: epochs from one evaluation to the next; the last epoch is always evaluated. Defaults to 1.
        batch_size: images in a batch. Defaults to 256.
        name: the key in the logs. Defaults to `"knn_accuracy"`.

    Raises:
        ValueError: if lengths differ, a set is empty, `k` exceeds the training samples, or an argument is out
            of range.

    Example:

    ```python
    images, labels = keras_ssl.data.colored_digits("train")
    model.fit(images, epochs=10, callbacks=[keras_ssl.callbacks.OnlineKNN(images, labels)])
    ```
    """

    def __init__(
        self,
        x_train: Images,
        y_train: Tensor | None = None,
        x_test: Images | None = None,
        y_test: Tensor | None = None,
        k: int = 20,
        temperature: float = 0.07,
        every: int = 1,
        batch_size: int = 256,
        name: str = "knn_accuracy",
    ) -> None:
        train, self.y_train, test, self.y_test = labelled_split(x_train, y_train, x_test, y_test)
        super().__init__((train, test), every, batch_size, name)
        self.labels = (self.y_train, self.y_test)
        check_neighbors(k, len(self.y_train), temperature)
        self.k = k
        self.temperature = temperature

    def measure(self, *features: np.ndarray) -> float:
        train, test = features
        return knn_accuracy(train, self.y_train, test, self.y_test, self.k, self.temperature)
