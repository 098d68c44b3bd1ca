"""The part of every batch that one of several workers reads."""

import numpy as np


def worker_part(order: np.ndarray, batch_size: int, worker: int, workers: int) -> np.ndarray:
    """The samples that one of several workers reads in an epoch, batch after batch.

    Every global batch is cut into equal runs, in the order of the workers: so the parts of all of them, one after
    another, are the batch that a single worker would read, and a sample has the place in it that its views are drawn
    for.

    Args:
        order: all samples in the order of the epoch, `[count, ...]`.
        batch_size: samples of a global batch.
        worker: the worker's number, from 0.
        workers: how many there are.

    Returns:
        Those of `order` that are this worker's: `batch_size // workers` of each batch, and as many parts of a last
        batch that is not full.

    Raises:
        ValueError: if there is no such worker, or a batch, also a last one that is not full, cannot be cut evenly.

    Example:

    >>> worker_part(np.arange(8), batch_size=4, worker=1, workers=2)
    array([2, 3, 6, 7])
    """
    if not 0 <= worker < workers:
        raise ValueError(f"Argument `worker` must be from 0 to workers - 1. Received: worker={worker} of {workers}")
    full = len(order) // batch_size * batch_size
    for name, size in (("batch_size", batch_size), ("last batch", len(order) - full)):
        if size % workers:
            raise ValueError(
                f"Every global batch must be a multiple of the {workers} workers (`drop_remainder=True` leaves a last "
                f"one out). Received: {name}={size}"
            )
    batches = order[:full].reshape(-1, workers, batch_size // workers, *order.shape[1:])
    rest = order[full:].reshape(workers, -1, *order.shape[1:])
    return np.concatenate([batches[:, worker].reshape(-1, *order.shape[1:]), rest[worker]])
