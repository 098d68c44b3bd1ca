"""The processes that train one model, and what they must agree on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

import keras
import numpy as np

Result = TypeVar("Result")
# What the collectives of TensorFlow, and of JAX on processors and GPUs, say when another process is gone.
_LOST = ("Collective ops is aborted", "Gloo", "Connection reset by peer", "heartbeat", "CoordinationService", "NCCL")


class Processes:
    """The processes that train one model, each with a part of its devices; one only, mostly.

    They take their steps together, so what one of them decides by itself (a signal, a checkpoint that it finds) the
    others must hear of. Every method must be called by all of them, in the same order: each waits for the others.

    Args:
        model: a model made under `tf.distribute.MultiWorkerMirroredStrategy`, or on JAX under
            `keras.distribution.DataParallel` once `keras.distribution.initialize` has run; or any other, for one.

    Attributes:
        count: how many they are.
        number: this process's, from 0. Number 0 is the chief, which writes what is written once.

    Example:

    >>> Processes(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])).gather(3)
    [3]
    """

    def __init__(self, model: Any) -> None:
        self.count, self.number = 1, 0
        if keras.backend.backend() == "jax":
            import jax

            if keras.distribution.distribution() is not None:  # or each trains a model of its own
                self.count, self.number = jax.process_count(), jax.process_index()
            return
        import tensorflow as tf

        self._strategy = model.distribute_strategy
        # Of TPUs one process leads all, whatever their cluster looks like.
        if isinstance(self._strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = self._strategy.cluster_resolver
            tasks = {job: len(addresses) for job, addresses in resolver.cluster_spec().as_dict().items()}
            chiefs = tasks.get("chief", 0)
            self.count = max(1, chiefs + tasks.get("worker", 0))
            self.number = resolver.task_id + (0 if resolver.task_type == "chief" else chiefs) if self.count > 1 else 0

    @property
    def is_chief(self) -> bool:
        return self.number == 0

    def gather(self, value: int) -> list[int]:
        """Every process's value, by its number."""
        if self.count == 1:
            return [value]
        mine = np.zeros(self.count, "int32")
        mine[self.number] = value
        return [int(number) for number in np.asarray(self._sum(mine))]

    def together(self, work: Callable[[], Result]) -> Result:
        """Does `work` in every process, and raises in all of them if it fails in one, so that none waits for ever.

        Raises:
            Exception: what `work` raised here.
            RuntimeError: if it failed in other processes only; theirs say why.
        """
        error = None
        try:
            result = work()
        except Exception as caught:
            error = caught
        failed = [number for number, count in enumerate(self.gather(int(error is not None))) if count]
        if error is not None:
            raise error
        if failed:
            raise RuntimeError(f"Training ends because it failed elsewhere. Received: failed processes={failed}")
        return result

    @cached_property
    def _sum(self) -> Callable[[np.ndarray], Any]:
        if keras.backend.backend() == "jax":
            from jax.experimental import multihost_utils

            return lambda mine: multihost_utils.process_allgather(mine).sum(axis=0)
        import tensorflow as tf

        strategy = self._strategy
        local = len(strategy.extended.worker_devices)

        def of_replica(mine: Any) -> Any:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            mine = tf.cast(mine, "int64")  # TensorFlow keeps 32-bit integers where collectives of GPUs do not reach
            return tf.where(replica % local == 0, mine, tf.zeros_like(mine))

        # A compiled function: one by one its operations would take longer than a small step.
        return tf.function(
            lambda mine: strategy.reduce("SUM", strategy.run(of_replica, (mine,)), axis=None), autograph=False
        )


@contextmanager
def others_watched(model: Any) -> Iterator[None]:
    """Within it, the failure of a collective says that another process of the training has ended.

    Raises:
        RuntimeError: in place of what the backend raises then.
    """
    try:
        yield
    except Exception as error:
        if any(sign in str(error) for sign in _LOST) and Processes(model).count > 1:
            raise RuntimeError(
                "Training ends because another process of it has ended. Start all of them again: with "
                "`callbacks.Checkpoint`, `fit` goes on from the last checkpoint. "
                f"Received: {type(error).__name__} from the collectives"
            ) from error
        raise
