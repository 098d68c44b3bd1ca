"""TensorBoard for self-supervised training, on every backend."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.callbacks.event_writer import EventWriter, SilentWriter, check_local_folder
from keras_ssl.callbacks.pictures import draw_features, draw_pseudo_labels, draw_similarities, draw_views
from keras_ssl.data.one_label_each import one_label_each
from keras_ssl.evaluation.validation import as_images
from keras_ssl.losses.numeric import check_integer
from keras_ssl.paths import user_path
from keras_ssl.training.processes import Processes
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.typing import Logs, Tensor

_ROWS = 8  # of the grid of views
_PAIRS = 128  # samples whose views are compared
_MOST = 10_000  # points that the projector's page can still turn
_TEMPERATURES = ("temperature", "student_temperature", "teacher_temperature")


class TensorBoard(keras.callbacks.Callback):
    """Writes what TensorBoard shows of a run: curves, the views, spectrum and similarities, the projector, settings.

    Unlike `keras.callbacks.TensorBoard` it needs no TensorFlow, and knows what an objective of this library is:

    - Scalars `epoch/...` and `validation/...`, at the number of epochs done: everything in the epoch's logs (all terms
      of the loss, `gradient_norm`, `embedding_std`, a teacher's `momentum`, what callbacks further up the list
      measure, such as `OnlineKNN` and `Throughput`), and `learning_rate`, `weight_decay` and temperatures as they
      stand. With `update_freq=n` also `step/...` every n steps, at the number of steps: means over these n.
    - Image `views`: eight samples, each in a row with its views as the next training step would make them, at the
      start and every so many epochs. A wrong augmentation is seen before it costs an epoch.
    - Histograms: `similarity/positive_pairs` and `similarity/negative_pairs`, of the encoder's features of two views,
      and `spectrum/log10_singular_values`, whose bars are the curve of the spectrum; and, where a `PseudoLabelMonitor`
      stands further up the list, `pseudo_labels/count` and `pseudo_labels/precision`, a bar for each class.
    - Projector: the features of all `images`, with thumbnails and labels.
    - HParams: the settings given, such as a recipe's.

    What the disk refuses to take is warned of, and training goes on; points of curves are written later, when there is
    room again. A resumed run's files come after those of its earlier parts, whatever the clock says.

    Training is not disturbed: weights, random numbers and the compiled step are as without the callback. Pictures of
    features that are NaN or infinite are left out. Put the callback after those whose numbers it is to show. Where
    several processes train one model, all need it, and the first one writes.

    Args:
        log_dir: the run's folder on this machine; made if it is missing.
        images: samples to look at, `[N, H, W, C]`, at most 10,000, as the model takes them (uint8). The grid shows the
            first eight; the similarities are of the first 128. Defaults to None: no pictures.
        labels: classes of the images, integers or strings `[N]`, for the projector. Defaults to None.
        hparams: settings by name; of tables in it (`recipe.sections`) every value, as `section.key`. Defaults to None.
        update_freq: "epoch" (default), or the number of steps from one point to the next.
        every: epochs from one set of pictures to the next; the last epoch has one too. Defaults to 10.
        batch_size: images in a batch when features are computed. Defaults to 256.

    Raises:
        ValueError: if the folder cannot be written to, images or labels are not as above, or an argument is out of
            range.

    Example:

    ```python
    recipe = keras_ssl.Recipe.read("simclr_digits")
    board = keras_ssl.callbacks.TensorBoard("runs/1", x_test[:1000], y_test[:1000], hparams=recipe.sections)
    model.fit(images, epochs=40, callbacks=[keras_ssl.callbacks.OnlineKNN(x, y), board])
    # tensorboard --logdir runs
    ```
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        images: Tensor | None = None,
        labels: Tensor | None = None,
        hparams: Mapping[str, Any] | None = None,
        update_freq: str | int = "epoch",
        every: int = 10,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        if isinstance(update_freq, str):
            if update_freq != "epoch":
                raise ValueError(
                    f'`update_freq` must be a positive integer or "epoch". Received: update_freq={update_freq!r}'
                )
        else:
            update_freq = check_integer("update_freq", update_freq, 1)
        self.images, self.labels = _samples(images, labels)
        self.hparams = {} if hparams is None else flat_settings(hparams)
        self.update_freq = update_freq
        self.every = check_integer("every", every, 1)
        self.batch_size = check_integer("batch_size", batch_size, 1)
        check_local_folder("log_dir", log_dir)
        self.log_dir = Path(user_path(log_dir))
        # Keras then need not wait for each step's logs before it starts the next step.
        self.async_safe = update_freq == "epoch"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._writes = Processes(self.model).is_chief
        # The others compute all the same: features are computed by all together.
        self._writer = EventWriter(self.log_dir) if self._writes else SilentWriter()
        self._steps = self._steps_before = steps_done(self.model)
        self._epochs = 0
        self._drawn: int | None = None  # the number of epochs done when pictures were last made
        self._sums: Logs = {}  # over the steps since the last point, which are so many:
        self._pending = 0
        if self.hparams:
            self._writer.hparams(self.hparams)
        self._writer.flush()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self._drawn is None:
            self._drawn = self._epochs = epoch
            self._draw_views()
            self._writer.flush()
        self._steps_before = self._steps
        self._means: tuple[int, Logs] = (0, {})  # after so many steps of this epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._steps = max(self._steps, self._steps_before + batch + 1)  # a thread may be late
        if self.update_freq == "epoch" or not logs:
            return
        # Keras hands out means over the epoch so far: the steps' own values are what the sums grow by.
        (before, means), done = self._means, batch + 1
        self._means = done, {name: float(value) for name, value in logs.items()}
        for name, mean in self._means[1].items():
            grown = done * mean - before * means.get(name, 0.0)
            self._sums[name] = self._sums.get(name, 0.0) + grown
        self._pending += done - before
        if self._pending >= int(self.update_freq):
            last = {name: total / self._pending for name, total in self._sums.items()}
            self._scalars("step", {**settings(self.model), **last}, self._steps)
            self._sums, self._pending = {}, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._epochs = epoch + 1
        values = dict(logs or {})
        held_out = {name[4:]: values.pop(name) for name in list(values) if name.startswith("val_")}
        self._scalars("epoch", {**settings(self.model), **values}, self._epochs)
        self._scalars("validation", held_out, self._epochs)
        draw_pseudo_labels(self._writer, values, self._epochs)
        if self._epochs % self.every == 0:
            self._draw()
        self._writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._drawn != self._epochs:
            self._draw()
        if self.hparams:
            self._writer.finished()
        self._writer.close()

    def _scalars(self, group: str, values: Logs, step: int) -> None:
        for name, value in values.items():
            self._writer.scalar(f"{group}/{name}", float(value), step)

    def _draw_views(self) -> None:
        if self.images is not None and isinstance(self.model, SSLModel):
            draw_views(self._writer, self.model, self.images[:_ROWS], self._epochs)

    def _draw(self) -> None:
        self._drawn = self._epochs
        if self.images is None:
            return
        self._draw_views()
        if isinstance(self.model, SSLModel):
            draw_similarities(self._writer, self.model, self.images[:_PAIRS], self._epochs, self.batch_size)
        where = (self._writer, self.log_dir if self._writes else None)
        with self._writer.guard.writing(self.log_dir / "projector"):
            draw_features(*where, self.model, self.images, self.labels, self._epochs, self.batch_size)


def settings(model: Any) -> Logs:
    """Learning rate, weight decay and temperatures of a model as they stand."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    found = {"learning_rate": optimizer.learning_rate, "weight_decay": getattr(optimizer, "weight_decay", None)}
    found |= {name: getattr(model, name, None) for name in _TEMPERATURES}
    return {
        name: float(keras.ops.convert_to_numpy(value))
        for name, value in found.items()
        if value is not None and not isinstance(value, bool)
    }


def steps_done(model: Any) -> int:
    """How many training steps a model has behind it."""
    return int(keras.ops.convert_to_numpy(model.step if isinstance(model, SSLModel) else model.optimizer.iterations))


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, bool | float | str]:
    """Settings as the HParams page takes them: tables become `table.key`, what is no number or truth value text."""
    flat: dict[str, bool | float | str] = {}
    for name, value in settings.items():
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, bool | int | float) else str(value)
    return flat


def _samples(images: Tensor | None, labels: Tensor | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The checked samples to look at."""
    if images is None:
        if labels is not None:
            raise ValueError("Argument `labels` goes with `images`. Received: images=None")
        return None, None
    array = as_images("images", images)
    if array.ndim != 4 or not 2 <= len(array) <= _MOST:
        raise ValueError(
            f"Argument `images` must be 2 to {_MOST} images [N, H, W, C]. Received: images.shape={array.shape}"
        )
    classes = None if labels is None else one_label_each("labels", np.asarray(labels))
    if classes is not None and classes.shape != (len(array),):
        raise ValueError(
            f"Argument `labels` must hold one label for each of the {len(array)} images. "
            f"Received: labels.shape={classes.shape}"
        )
    return array, classes
