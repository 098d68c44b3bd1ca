"""The embedded data set: real handwritten digits at random place and scale, in random colors."""

from functools import cache

import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation, threefry2x32

_SPLITS = {"train": (0, 6000), "test": (1, 2000)}  # name: (number in the key, default count)
_TEST_FRACTION = 5  # one digit instance in five belongs to the test split
# The second word of every key. Views and orders use the step or the epoch there, so no number of theirs comes
# back.
_KEY = 0xD1610000
# Draws of an image are numbered: colors from 0, scale and place, grid and noise of the texture.
_PLACE_DRAW, _GRID_DRAW, _NOISE_DRAW = 1000, 2000, 3000
_CANDIDATES = 24  # color triples to choose from
_CONTRAST = 64  # least difference in luma (0 to 255) between the digit and its background
_TEXTURED_CONTRAST = 40
_GLYPH = 8
_ONE = 256  # fixed-point 1.0 of positions and weights
_TEXTURE_GRID = 5


def colored_digits(
    split: str = "train", seed: int = 0, size: int = 16, count: int | None = None, textured: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a split of the colored digits.

    The glyphs are scikit-learn's 1,797 handwritten digits (8x8 pixels, from the UCI optical recognition set).
    One instance in five, stratified by class and the same for every seed, is kept for the test split, so no
    handwriting is in both. Each image scales a glyph bilinearly to 50 to 90 % of the image, sets it at a
    random place and paints it in a random color on a random color whose luma differs by at least 64 of 255:
    dark on light or light on dark. Color, place and scale are what the views of contrastive learning remove,
    so a nearest neighbor in pixels does badly and a network that learned from the views does well.

    All draws come from `keras_ssl.random.threefry2x32` and all arithmetic is in integers, so one seed gives
    the same bytes on every machine and with every version of NumPy. Image number `i` does not depend on
    `count`.

    Args:
        split: `"train"` (default; 1,441 glyphs) or `"test"` (356 glyphs).
        seed: integer in [0, 2**32). Defaults to 0.
        size: height and width of the images in pixels, 16 (default) to 32.
        count: number of images. Defaults to 6,000 for train and 2,000 for test. Each round over the split's
            glyphs uses every glyph once, in a new order.
        textured: the hard mode: the background blends two colors by smooth random blobs and fine noise, and
            the least difference in luma is 40. Defaults to False.

    Returns:
        `(images, labels)`: uint8 `[count, size, size, 3]`, RGB, and int64 `[count]` in 0 to 9.

    Raises:
        ValueError: if an argument is out of range.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> images, labels = colored_digits("test", seed=0, size=16, count=100)
    >>> images.shape, images.dtype, labels.shape
    ((100, 16, 16, 3), dtype('uint8'), (100,))
    """
    if split not in _SPLITS:
        raise ValueError(f'Argument `split` must be "train" or "test". Received: split={split!r}')
    stream, default_count = _SPLITS[split]
    seed = check_integer("seed", seed, 0, 2**32 - 1)
    size = check_integer("size", size, 16, 32)
    count = check_integer("count", default_count if count is None else count, 1, 10**6)

    glyphs, targets = _glyphs(split)
    rounds = -(-count // len(glyphs))
    order = np.concatenate([permutation(len(glyphs), seed, _KEY + 2 * r + stream) for r in range(rounds)])[:count]
    # Parts of about 64 MB of working memory.
    part = max(1, 2**21 // size**2)
    images = np.concatenate(
        [
            _draw(glyphs[order[start : start + part]], start, (seed, _KEY + stream), size, textured)
            for start in range(0, count, part)
        ]
    )
    return images, targets[order]


@cache
def _glyphs(split: str) -> tuple[np.ndarray, np.ndarray]:
    """The split's glyphs, int32 `[N, 8, 8]` in 0 to 16, and their classes, int64 `[N]`."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("colored_digits needs scikit-learn's digits: pip install scikit-learn") from error
    digits = load_digits()
    targets = digits.target.astype(np.int64)
    is_test = np.zeros(len(targets), bool)
    for label in range(10):
        members = np.flatnonzero(targets == label)
        chosen = permutation(len(members), seed=_KEY, epoch=label)[: len(members) // _TEST_FRACTION]
        is_test[members[chosen]] = True
    keep = is_test if split == "test" else ~is_test
    return digits.images[keep].astype(np.int32), targets[keep]


def _draw(glyphs: np.ndarray, start: int, key: tuple[int, int], size: int, textured: bool) -> np.ndarray:
    """Images `[N, size, size, 3]` of the glyphs; the first one is number `start` of the set."""
    positions = np.arange(start, start + len(glyphs), dtype=np.uint32)
    ink, back, other = _colors(key, positions, textured)

    words = _words(key, positions, _PLACE_DRAW, 3)
    smallest, largest = size * _ONE // 2, size * _ONE * 9 // 10
    side = smallest + _below(words[:, 0], largest - smallest + 1)
    top, left = (_below(words[:, i], size * _ONE - side + 1) for i in (1, 2))
    rows, columns = _taps(size, top, side, _GLYPH), _taps(size, left, side, _GLYPH)
    amount = rows @ glyphs @ columns.transpose(0, 2, 1)  # [N, size, size], 0 to 16 * 2**16
    amount = np.minimum(amount + amount // 2, 16 * _ONE**2)[..., np.newaxis]  # pen strokes reach full ink

    ground = back[:, np.newaxis, np.newaxis, :]
    if textured:
        ground = _blend(ground, other[:, np.newaxis, np.newaxis, :], _texture(key, positions, size), 255)
    return _blend(ground, ink[:, np.newaxis, np.newaxis, :], amount, 16 * _ONE**2).astype(np.uint8)


def _colors(key: tuple[int, int], positions: np.ndarray, textured: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ink, background, second background, int32 `[N, 3]`: the first candidate with enough contrast."""
    words = _words(key, positions, 0, 3 * _CANDIDATES)  # the upper three bytes of a word are one color
    octets = words[..., np.newaxis] >> np.array([24, 16, 8], np.uint32) & np.uint32(255)
    colors = octets.astype(np.int32).reshape(len(positions), _CANDIDATES, 3, 3)
    luma = (77 * colors[..., 0] + 150 * colors[..., 1] + 29 * colors[..., 2]) // 256
    difference = luma[..., :1] - (luma[..., 1:] if textured else luma[..., 1:2])
    # All backgrounds lie on one side of the ink, or their blend could have its luma.
    contrast = _TEXTURED_CONTRAST if textured else _CONTRAST
    visible = np.all(difference >= contrast, axis=-1) | np.all(difference <= -contrast, axis=-1)
    chosen = colors[np.arange(len(positions)), visible.argmax(axis=1)]
    # Where no candidate will do (hardly ever), white on two darkened colors does.
    fallback = np.concatenate([np.full_like(chosen[:, :1], 255), chosen[:, 1:] // 2], axis=1)
    chosen = np.where(np.any(visible, axis=1)[:, np.newaxis, np.newaxis], chosen, fallback)
    return chosen[:, 0], chosen[:, 1], chosen[:, 2]


def _texture(key: tuple[int, int], positions: np.ndarray, size: int) -> np.ndarray:
    """Blending weights `[N, size, size, 1]` in 0 to 255: bilinear blobs of a random grid, with noise."""
    words = _words(key, positions, _GRID_DRAW, _TEXTURE_GRID**2) >> np.uint32(24)
    grid = words.astype(np.int32).reshape(-1, _TEXTURE_GRID, _TEXTURE_GRID)
    # One grid cell hangs over on every side, so that the blobs reach the borders.
    span = np.full(len(positions), size * _ONE * _TEXTURE_GRID // (_TEXTURE_GRID - 1))
    taps = _taps(size, -(span - size * _ONE) // 2, span, _TEXTURE_GRID)
    smooth = (taps @ grid @ taps.transpose(0, 2, 1)) // _ONE**2
    words = _words(key, positions, _NOISE_DRAW, size**2) >> np.uint32(25)
    noise = words.astype(np.int32).reshape(-1, size, size) - 64
    return np.clip(smooth + noise, 0, 255)[..., np.newaxis]


def _taps(size: int, start: np.ndarray, side: np.ndarray, cells: int) -> np.ndarray:
    """Bilinear weights, int32 `[N, size, cells]` in 0 to 256: `cells` pixels laid over start + [0, side)."""
    centers = np.arange(size, dtype=np.int64) * _ONE + _ONE // 2
    source = (centers - start[:, np.newaxis]) * cells * _ONE // side[:, np.newaxis] - _ONE // 2
    distance = np.abs(source[..., np.newaxis] - np.arange(cells, dtype=np.int64) * _ONE)
    return np.maximum(_ONE - distance, 0).astype(np.int32)


def _blend(ground: np.ndarray, color: np.ndarray, amount: np.ndarray, full: int) -> np.ndarray:
    """`ground` where the amount is 0, `color` where it is `full`, rounded to the nearest between."""
    return (ground * (full - amount) + color * amount + full // 2) // full


def _words(key: tuple[int, int], positions: np.ndarray, draw: int, count: int) -> np.ndarray:
    """Random words, uint32 `[N, count]`, two of each counter (position, draw), (position, draw + 1) ..."""
    numbers = np.arange(draw, draw + (count + 1) // 2, dtype=np.uint32)
    counters = np.broadcast_arrays(positions[:, np.newaxis], numbers)
    with np.errstate(over="ignore"):
        words = threefry2x32((np.uint32(key[0]), np.uint32(key[1])), (counters[0], counters[1]), xp=np)
    return np.stack(words, axis=-1).reshape(len(positions), -1)[:, :count]


def _below(words: np.ndarray, high: int | np.ndarray) -> np.ndarray:
    """Integers in [0, high), int64, by multiplying and keeping the upper half: no floating point."""
    return (words.astype(np.int64) * high) >> 32
