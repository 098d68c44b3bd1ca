"""Distillation of a trained encoder into another model in one line."""

import os
from typing import Any

import keras

from keras_ssl.data.from_tf_data import from_tf_data, is_tf_data
from keras_ssl.training import SSLModel
from keras_ssl.workflows.choices import facts_of
from keras_ssl.workflows.pretrain import folder_of, train_chosen

__all__ = ["distill"]

_MOST_ROWS = 8192


def distill(
    teacher: str | os.PathLike[str],
    student: keras.Model | str,
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    max_damaged: float | None = None,
    seed: int = 0,
    smoke: bool = False,
    overwrite: bool = False,
    verbose: int = 1,
) -> SSLModel:
    """Distills an encoder of the zoo into any Keras model, without labels, by `keras_ssl.SimilarityDistillation`.

    The student learns to find the same images similar as the teacher. The queue of the teacher's features holds a third
    of the images, at most 8192. All else is chosen as by `keras_ssl.pretrain`.

    Args:
        teacher: a name of `keras_ssl.list_models()`, or a folder that `keras_ssl.export` wrote.
        student: a built `keras.Model` that maps images to features `[N, F]`, which is trained itself; or the name of an
            encoder of the library.
        data: as for `keras_ssl.pretrain`.
        out: folder of the run. Defaults to None: `runs/` and the name of the data with `_distilled` behind it; data in
            memory need a folder.
        image_size: side of the images, in pixels. Defaults to None: chosen.
        batch_size: images in a batch. Defaults to None: chosen.
        epochs: Defaults to None: chosen.
        max_damaged: as for `keras_ssl.pretrain`. Defaults to None: 0.01.
        seed: of initial weights, order and views. Defaults to 0.
        smoke: whether to train for two batches only. Defaults to False.
        overwrite: whether to replace a finished run. Defaults to False: it is loaded.
        verbose: 0, 1 or 2, as for `fit`. Defaults to 1.

    Returns:
        The trained objective, a `keras.Model`: `model.encoder` is the student.

    Raises:
        ValueError: if there is no such teacher or data, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.distill("dinov2_vits14", my_cnn, "photos/", out="runs/student")
    ```
    """
    if not isinstance(teacher, str | os.PathLike):
        raise ValueError(
            "`teacher` must be a name of `keras_ssl.list_models()`, or the folder of an export, which "
            f"`keras_ssl.export(model, folder)` writes of any model. Received: teacher={teacher!r}"
        )
    if is_tf_data(data):
        data = from_tf_data(data)
    facts = facts_of(data)
    count = facts.count
    rows = _MOST_ROWS if count is None else min(_MOST_ROWS, max(count // 3, 16))
    batch = batch_size or 128
    method = {"name": "SimilarityDistillation", "teacher": os.fspath(teacher), "queue_size": max(rows, batch)}
    return train_chosen(
        data,
        folder_of(facts, out, smoke, "_distilled"),
        student,
        overwrite=overwrite,
        verbose=verbose,
        smoke=smoke,
        max_damaged=max_damaged,
        method=method,
        image_size=image_size,
        batch_size=batch_size,
        epochs=epochs,
        seed=seed,
    )
