"""Linear-probe accuracy of the features while they are learned."""

import numpy as np

from keras_ssl.callbacks.online_evaluation import Images, OnlineEvaluation, labelled_split
from keras_ssl.evaluation.linear_probe import check_probe, linear_probe
from keras_ssl.typing import Tensor


class OnlineLinearProbe(OnlineEvaluation):
    """Logs the accuracy of a linear classifier on the model's features at the end of epochs.

    The classifier is `keras_ssl.evaluation.linear_probe`, fitted anew to the features of the moment: it lags
    behind nothing, has no learning rate, and takes no part in training. The features are those of
    `model.predict`. Put the callback before those that read the logs (TensorBoard, ModelCheckpoint); the
    progress bar and the history see it anyway. Features with NaN log NaN.

    Args:
        x_train: images to fit the classifier to, `[N, ...]`, in the type that the model expects (uint8); or a
            labelled data set of `keras_ssl.data`, such as `from_folder` makes, which is read anew batch by batch.
        y_train: their classes, integers or strings `[N]`; samples of -1 (unlabeled) are left out. Defaults to
            `None`: those of the data set.
        x_test: images to classify, in the same forms. Defaults to `None`: a fifth of `x_train`, always the same and
            drawn at random, is held out for it.
        y_test: the classes of `x_test`.
        regularization: weight decay of the classifier. Defaults to 1e-3.
        max_iter: most iterations of L-BFGS. Defaults to 500.
        every: epochs from one evaluation to the next; the last epoch is always evaluated. Defaults to 1.
        batch_size: images in a batch. Defaults to 256.
        name: the key in the logs. Defaults to `"linear_accuracy"`.

    Raises:
        ValueError: if lengths differ, a set is empty, or an argument is out of range.

    Example:

    ```python
    images, labels = keras_ssl.data.colored_digits("train")
    model.fit(images, epochs=10, callbacks=[keras_ssl.callbacks.OnlineLinearProbe(images, labels, every=5)])
    ```
    """

    def __init__(
        self,
        x_train: Images,
        y_train: Tensor | None = None,
        x_test: Images | None = None,
        y_test: Tensor | None = None,
        regularization: float = 1e-3,
        max_iter: int = 500,
        every: int = 1,
        batch_size: int = 256,
        name: str = "linear_accuracy",
    ) -> None:
        train, self.y_train, test, self.y_test = labelled_split(x_train, y_train, x_test, y_test)
        super().__init__((train, test), every, batch_size, name)
        self.labels = (self.y_train, self.y_test)
        check_probe(regularization, max_iter)
        self.regularization = regularization
        self.max_iter = max_iter

    def measure(self, *features: np.ndarray) -> float:
        train, test = features
        return linear_probe(train, self.y_train, test, self.y_test, self.regularization, self.max_iter)
