"""Counter-based random draws: a pure function of (seed, step, position), the same numbers on every backend.

Keras neither saves the state of its seed generators nor draws the same numbers on two backends. A view that must be
the same after a resume, on two replicas and on two backends, needs neither state nor a backend's generator: it needs
a hash. Threefry-2x32 with 20 rounds is that hash (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011): the key is (seed, step), the counter is (position of the sample in the global batch, number of the draw).

Words, booleans, integers, permutations and numbers in [0, 1) are the same bits everywhere, eager and compiled. What
floating arithmetic makes of them (other ranges, normals) may differ in the last bit, where a compiler fuses operations.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Tensor

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_KEY_PARITY = 0x1BD11BDA
_BLOCK = 64  # draws hashed at a time


def threefry2x32(key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor], xp: Any = None) -> tuple[Tensor, Tensor]:
    """The Threefry-2x32-20 block function.

    Args:
        key: two uint32 words (tensors or arrays that broadcast with the counter).
        counter: two uint32 words of one broadcastable shape.
        xp: the namespace that computes: `keras.ops` (default) or `numpy`, for work on the host.

    Returns:
        Two uint32 words of the counter's shape.
    """
    xp = keras.ops if xp is None else xp

    def word(value: int) -> Tensor:
        return xp.array(value, dtype="uint32")

    def rotate(x: Tensor, bits: int) -> Tensor:
        return xp.bitwise_or(xp.left_shift(x, word(bits)), xp.right_shift(x, word(32 - bits)))

    keys = (key[0], key[1], xp.bitwise_xor(xp.bitwise_xor(key[0], key[1]), word(_KEY_PARITY)))
    x0, x1 = xp.add(counter[0], keys[0]), xp.add(counter[1], keys[1])
    for block in range(5):
        for bits in _ROTATIONS[block % 2]:
            x0 = xp.add(x0, x1)
            x1 = xp.bitwise_xor(rotate(x1, bits), x0)
        x0 = xp.add(x0, keys[(block + 1) % 3])
        x1 = xp.add(xp.add(x1, keys[(block + 2) % 3]), word(block + 1))
    return x0, x1


def _word(value: Tensor) -> Tensor:
    """`value` as uint32; Python integers go through NumPy, since a backend would make int32 of them first."""
    if isinstance(value, int):
        value = np.uint32(value & 0xFFFFFFFF)
    return keras.ops.cast(value, "uint32")


class Stream:
    """Independent draws for every sample of a batch.

    Draws are numbered in the order in which they are asked for, so the numbers depend on nothing but the seed, the
    step, the sample's position in the global batch and the place of the draw in the program. A stream is made anew
    for each step, inside the compiled function.

    Args:
        seed: integer or scalar tensor in [0, 2**32): the run's seed.
        step: integer or scalar tensor: the step's number.
        positions: integer tensor `[N]`: each sample's position in the global batch.
        first_draw: number of the first draw, for a second stream that must not repeat the numbers of the first; an
            integer, or a scalar uint32 tensor where a program goes on from another one's `next_draw`. Defaults to 0.

    Example:

    >>> stream = Stream(seed=0, step=3, positions=np.arange(4))
    >>> tuple(stream.uniform(shape=(2,)).shape)
    (4, 2)
    """

    def __init__(self, seed: Tensor, step: Tensor, positions: Tensor, first_draw: Tensor = 0) -> None:
        self.key = (_word(seed), _word(step))
        self.positions = _word(positions)
        self._first = first_draw
        self._drawn = 0
        self._block_start = 0
        self._block: Tensor = None

    @property
    def next_draw(self) -> Tensor:
        """Number of the next draw: an integer, or a uint32 tensor if the first one's number was one."""
        return self._first + (self._drawn if isinstance(self._first, int) else _word(self._drawn))

    def bits(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform uint32 words of shape `[N, *shape]`; takes `prod(shape)` draws."""
        ops = keras.ops
        count = int(np.prod(shape, dtype=np.int64))
        first = self._drawn - self._block_start
        if self._block is None or first + count > self._block.shape[1]:
            # One hash for many small requests: a program with one in it traces and compiles several times faster.
            self._block_start, self._block, first = self._drawn, self._hash(max(count, _BLOCK)), 0
        self._drawn += count
        return ops.reshape(self._block[:, first : first + count], (-1, *shape))

    def skip(self, count: int) -> None:
        """Goes on as if `count` draws had been made."""
        self._drawn += count

    def _hash(self, count: int) -> Tensor:
        """The words of the next `count` draws, `[N, count]`."""
        ops = keras.ops
        draws = ops.convert_to_tensor(np.arange(count, dtype=np.uint32)) + _word(self.next_draw)
        positions = ops.expand_dims(self.positions, 1)
        # Adding zeros of the other's shape is how two uint32 tensors broadcast on every backend.
        counter = (positions + ops.zeros_like(draws), draws + ops.zeros_like(positions))
        return threefry2x32(self.key, counter)[0]

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform float32 numbers in [low, high) of shape `[N, *shape]`, from 24 random bits each."""
        ops = keras.ops
        bits = ops.right_shift(self.bits(shape), ops.array(8, dtype="uint32"))
        unit = ops.cast(ops.cast(bits, "int32"), "float32") * np.float32(2.0**-24)
        return unit * np.float32(high - low) + np.float32(low)

    def uniform_rows(self, rows: Tensor, count: int) -> Tensor:
        """Uniform float32 numbers `[rows, count]` for a batch that may hold the samples several times over.

        Several views in one batch are such: row `i` belongs to sample `i mod N`, and the times are independent.

        Args:
            rows: number of rows, an integer or a scalar integer tensor.
            count: how many numbers a row gets; takes as many draws.
        """
        ops = keras.ops
        samples = ops.shape(self.positions)[0]
        row = ops.arange(rows, dtype="int32")
        time = ops.left_shift(ops.cast(row // samples, "uint32"), ops.array(24, dtype="uint32"))
        positions = ops.take(self.positions, row % samples, axis=0) + time
        drawn = Stream(*self.key, positions, first_draw=self.next_draw).uniform(shape=(count,))
        self._drawn += count
        return drawn

    def bernoulli(self, probability: float, shape: tuple[int, ...] = ()) -> Tensor:
        """Booleans of shape `[N, *shape]`, true with the given probability (exactly never at 0, always at 1)."""
        return self.uniform(shape=shape) < np.float32(probability)

    def integers(self, high: int, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform int32 numbers in [0, high) of shape `[N, *shape]`; `high` at most 2**24."""
        return keras.ops.cast(self.uniform(shape=shape) * np.float32(high), "int32")

    def normal(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Standard normal float32 numbers of shape `[N, *shape]` (Box-Muller; two draws each)."""
        ops = keras.ops
        radius = ops.sqrt(-2.0 * ops.log(1.0 - self.uniform(shape=shape)))
        return radius * ops.cos(np.float32(2.0 * np.pi) * self.uniform(shape=shape))

    def permutations(self, count: int) -> Tensor:
        """A random order of `count` things for every sample: int32 `[N, count]`."""
        return keras.ops.cast(keras.ops.argsort(self.uniform(shape=(count,)), axis=1), "int32")


_current_stream: ContextVar[Stream | None] = ContextVar("current_stream", default=None)


@contextmanager
def draw_from(stream: Stream) -> Iterator[None]:
    """Layers that are called inside the block find `stream` by `current_stream`, wherever they are nested."""
    token = _current_stream.set(stream)
    try:
        yield
    finally:
        _current_stream.reset(token)


def current_stream() -> Stream | None:
    """The stream from which layers should draw, or None where nothing provides one (see `draw_from`)."""
    return _current_stream.get()


@contextmanager
def seeded_initializers(seed: int) -> Iterator[None]:
    """Initial weights made inside the block follow from `seed`; what is drawn after it is as without it.

    Keras draws the seed of each initializer from Python's generator. (`keras.utils.set_random_seed` would
    import TensorFlow under JAX.)
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def normal_array(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Standard normal float32 numbers, computed on the host: the same bits on every backend (Box-Muller)."""
    counters = np.arange(int(np.prod(shape)), dtype=np.uint32)
    with np.errstate(over="ignore"):
        words = threefry2x32((np.uint32(seed & 0xFFFFFFFF), np.uint32(0)), (counters, np.zeros_like(counters)), xp=np)
    # Half a step away from 0, whose logarithm is infinite.
    first, second = ((word.astype(np.float64) + 0.5) * 2.0**-32 for word in words)
    return (np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)).astype(np.float32).reshape(shape)


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which `count` samples are seen in an epoch: a pure function of (seed, epoch).

    Computed on the host with NumPy, so that it is the same on every backend and in every version of them.

    Args:
        count: number of samples.
        seed: the run's seed.
        epoch: the epoch's number, from 0.

    Returns:
        int64 array `[count]`, a permutation of `range(count)`.
    """
    positions = np.arange(count, dtype=np.uint32)
    key = (np.uint32(seed & 0xFFFFFFFF), np.uint32(epoch & 0xFFFFFFFF))
    with np.errstate(over="ignore"):
        high, low = threefry2x32(key, (positions, np.full_like(positions, 0xFFFFFFFF)), xp=np)
    return np.argsort((high.astype(np.uint64) << np.uint64(32)) | low, kind="stable")
