"""Run a view inside a tf.data pipeline."""

from typing import Any

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.view import View


def map_dataset(dataset: Any, view: View, seed: int, epoch: Tensor = 0, jit_compile: bool = True) -> Any:
    """Applies a view to the images of a batched `tf.data.Dataset`, on the CPU and ahead of the training step.

    A sample's view depends on `seed`, `epoch` and the sample's running number in the data set, and on nothing
    else: it equals `view(images, Stream(seed, epoch, positions))`, however the data set is batched. The views
    of an epoch are fixed, so the data set is made anew for each of them:
    `Dataset.range(epochs).flat_map(lambda epoch: map_dataset(dataset, view, seed, epoch))`.

    Args:
        dataset: a `tf.data.Dataset` of batches: images, `(images, ...)`, or a dict with the images as `"x"`.
        view: the view.
        seed: the run's seed, in [0, 2**32).
        epoch: the epoch's number, an integer or an integer tensor; default 0. It is the stream's step.
        jit_compile: whether to compile the view with XLA, where it supports that: several times faster. A batch of
            less than about 2 MB in float32 is compiled for its size, and a smaller last one again. Default True.

    Returns:
        A `tf.data.Dataset` of the same structure with float32 views for the images, in the same order. A
        `MultiView` gives a tuple of views; where the images stood alone, that is the dict `{"x": views}`,
        since Keras would take a plain tuple for inputs and targets.

    Raises:
        RuntimeError: if the Keras backend is not TensorFlow, whose graphs tf.data consists of.
        ValueError: if a dict holds no `"x"`.

    Example:

    ```python
    import tensorflow as tf
    from keras_ssl.views import map_dataset, simclr

    images = tf.zeros((64, 32, 32, 3), tf.uint8)
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(16)
    first, second = next(iter(map_dataset(dataset, simclr(blur=False), seed=0)))["x"]
    ```
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "map_dataset runs the view inside a tf.data pipeline, which needs Keras' TensorFlow backend. "
            f"Received: backend={keras.backend.backend()!r}"
        )
    import tensorflow as tf

    from keras_ssl.views.view_programs import ViewPrograms

    if isinstance(dataset.element_spec, dict) and "x" not in dataset.element_spec:
        raise ValueError(
            "Argument `dataset` must hold the images as 'x' where its batches are dicts. "
            f"Received: keys={sorted(dataset.element_spec)}"
        )

    def images_of(batch: Any) -> Tensor:
        return batch["x"] if isinstance(batch, dict) else batch[0] if isinstance(batch, tuple) else batch

    def number(start: Tensor, batch: Any) -> tuple[Tensor, tuple[Tensor, Any]]:
        return start + tf.shape(images_of(batch), out_type=tf.int64)[0], (start, batch)

    # The CPU makes them, also where there is a GPU: tf.data runs on the host.
    programs = ViewPrograms(view, on_cpu=True) if jit_compile and view.supports_jit else None

    def make_views(images: Tensor, step: Tensor, positions: Tensor) -> Any:
        if programs is None:
            return view(images, Stream(seed, step, positions))
        views = programs(images, seed, step, positions)
        return views if view.makes_list else views[0]

    def make(start: Tensor, batch: Any) -> Any:
        images = images_of(batch)
        positions = start + tf.range(tf.shape(images, out_type=tf.int64)[0])
        views = make_views(images, tf.cast(epoch, tf.int64), positions)
        if isinstance(views, list):
            views = tuple(views)
        if isinstance(batch, dict):
            return {**batch, "x": views}
        if isinstance(batch, tuple):
            return (views, *batch[1:])
        return {"x": views} if isinstance(views, tuple) else views

    numbered = dataset.scan(tf.constant(0, tf.int64), number)
    return numbered.map(make, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
