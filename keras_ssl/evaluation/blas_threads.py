"""How many threads NumPy's linear algebra takes."""

from contextlib import AbstractContextManager, nullcontext

_SMALL = 2**24  # numbers in a matrix


def blas_threads(size: int) -> AbstractContextManager[object]:
    """A context in which work on a matrix of `size` numbers runs on one thread if the matrix is small.

    The iterations of L-BFGS and of the singular value decomposition are made of many short products. Waking
    and joining threads for each of them costs more than the threads gain, and where other processes want the
    cores too, as during training, it costs ten times as much (measured: 2,000 x 256 singular values in 0.1
    instead of 3 seconds on two busy cores).
    """
    if size >= _SMALL:
        return nullcontext()
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # comes with scikit-learn; without it only speed is lost
        return nullcontext()
    return threadpool_limits(1, user_api="blas")
