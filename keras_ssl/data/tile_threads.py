"""Many products of small matrices at once, a thread to a core."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

_SMALL = 2**31  # products of numbers, below which threads are not worth their start


@contextmanager
def tile_threads(work: float, tiles: int) -> Iterator[Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]]:
    """Yields a `map` whose calls run in a thread per core, NumPy's linear algebra in one thread for each.

    What is done with a product, such as looking for large numbers in it, then runs on all cores as well, and not on one
    while the others wait for the next product. Where the work is small, there are fewer tiles than cores, or
    threadpoolctl is missing, it is Python's own `map`.

    Args:
        work: products of numbers in all.
        tiles: calls in a round.

    Example:

    >>> with tile_threads(work=10, tiles=2) as each:
    ...     print(list(each(len, ["a", "bc"])))
    [1, 2]
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = _limits() if work >= _SMALL and tiles >= cores > 1 else None
    if limits is None:
        yield map
        return
    with limits(1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
        yield pool.map


def _limits() -> Any:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # comes with scikit-learn; without it only speed is lost
        return None
    return threadpool_limits
