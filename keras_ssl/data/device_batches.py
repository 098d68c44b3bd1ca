"""Arrays that lie on the accelerator: a batch is gathered there, so that no image is copied from the host per step."""

from typing import Any

import keras
import numpy as np

from keras_ssl.data.fingerprint import described, row_count, spread
from keras_ssl.data.from_arrays import ArrayBatches
from keras_ssl.typing import Tensor

_DEVICE_ERRORS: tuple[type[Exception], ...] = (MemoryError, RuntimeError)
_put: Any
_gather: Any
if keras.backend.backend() == "jax":
    import jax

    def _put(array: np.ndarray) -> Tensor:
        return jax.device_put(array).block_until_ready()

    _gather = jax.jit(lambda array, rows: array[rows])
elif keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    _DEVICE_ERRORS += (tf.errors.OpError,)

    def _put(array: np.ndarray) -> Tensor:
        with tf.device("GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"):
            return tf.identity(tf.convert_to_tensor(array))

    # TensorFlow has no kernel that gathers uint8 on a GPU, and would take the whole array back to the host for it;
    # XLA makes one.
    _gather_compiled = tf.function(tf.gather, jit_compile=True, autograph=False)

    def _gather(array: Tensor, rows: Tensor) -> Tensor:
        return (_gather_compiled if "GPU" in array.device else tf.gather)(array, rows)


class DeviceBatches(ArrayBatches):
    """The data set that `from_arrays` makes with `on_device=True`.

    The inputs lie on the backend's first accelerator (a CPU where there is none); `load` gathers a batch from them
    there. `index`, `y` and `group` are a few bytes of each sample, and stay arrays of the host.

    On TensorFlow, `fit` reads through tf.data, which would bring each batch back to the host. So `SSLModel.fit` reads
    `RowBatches` instead, and the compiled step gathers for itself.

    Raises:
        ValueError: as `from_arrays`; if `x` is of a type that does not stay on the device, or does not fit on it.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if isinstance(self._x, dict):
            raise ValueError(
                "Columns of a table are few bytes of each sample, and stay on the host: omit `on_device`. "
                "Received: on_device=True with x a dict"
            )
        tuple_of_views = isinstance(self._x, tuple)
        views = tuple(_on_device(view) for view in (self._x if tuple_of_views else (self._x,)))
        self._x = views if tuple_of_views else views[0]

    def _described(self, view: Any) -> dict[str, Any]:
        dtype = keras.backend.standardize_dtype(view.dtype)
        shape = tuple(int(size) for size in view.shape)
        rows = spread(shape[0], row_count(shape, dtype)).astype(np.int32)
        return described(shape, keras.ops.convert_to_numpy(gather_rows(view, rows)))

    @property
    def resident(self) -> Any:
        """The inputs, as they lie on the device: a tensor, or a tuple of them."""
        return self._x

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        batch = self.load_rows(order, start)
        return {"x": gather_rows(self._x, batch.pop("rows")), **batch}

    def take(self, rows: np.ndarray) -> Any:
        return np.asarray(gather_rows(self._x, rows.astype(np.int32)))

    def load_rows(self, order: np.ndarray, start: int) -> dict[str, Any]:
        """The batch with `"rows"`, the numbers of the rows of the inputs, int32, in the place of `"x"`."""
        rows = order[start : start + self.local_batch_size]
        return {"rows": rows.astype(np.int32), **self._columns_of(rows)}


class RowBatches(keras.utils.PyDataset):
    """The batches of a `DeviceBatches` with the numbers of the rows (`"rows"`, int32) in the place of `"x"`.

    Epoch and place are those of the data set itself: it is the one that counts.
    """

    def __init__(self, data: DeviceBatches) -> None:
        super().__init__()
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._data.load_rows(self._data.local_order(), self._data.start_of(index))

    def on_epoch_end(self) -> None:
        self._data.on_epoch_end()

    @property
    def workers(self) -> int:
        return self._data.workers

    @workers.setter
    def workers(self, value: int) -> None:
        self._data.workers = value


def gather_rows(inputs: Any, rows: Tensor) -> Any:
    """The rows numbered `rows` of a tensor on the device, or of each of a tuple of them; bit for bit."""
    return tuple(_gather(view, rows) for view in inputs) if isinstance(inputs, tuple) else _gather(inputs, rows)


def _on_device(view: np.ndarray) -> Tensor:
    if view.dtype == np.float64:
        view = view.astype(np.float32)
    if view.dtype != np.uint8 and view.dtype.kind != "f":
        # TensorFlow keeps int32 on the host whatever it is told, and JAX makes int32 of int64.
        raise ValueError(
            f"With `on_device=True`, `x` must hold uint8 or floating numbers. Received: x.dtype={view.dtype}"
        )
    try:
        return _put(np.ascontiguousarray(view))
    except _DEVICE_ERRORS as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ValueError(
            "With `on_device=True`, `x` must fit into the memory of the accelerator: leave it away to copy a batch "
            f"at a time ({reason}). Received: x of {view.nbytes / 2**30:.2f} GiB"
        ) from error
