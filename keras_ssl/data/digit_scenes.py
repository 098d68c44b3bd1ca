"""Scenes of several handwritten digits, with a mask of every pixel."""

import numpy as np

from keras_ssl.data.colored_digits import (
    _CONTRAST,
    _GLYPH,
    _ONE,
    _SPLITS,
    _TEXTURED_CONTRAST,
    _below,
    _blend,
    _colors,
    _glyphs,
    _taps,
    _texture,
    _words,
)
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation

__all__ = ["digit_scenes"]

# Keys and draws apart from those of single digits.
_KEY = 0x5CE7E000
_INK_DRAW, _SCENE_PLACE_DRAW = 4000, 5000
_INKS, _PLACES = 32, 24  # candidates of a digit
_UNLIKE = 128  # least difference of two inks, summed over the channels
_MASKS = ("objects", "classes")


def digit_scenes(
    split: str = "train",
    seed: int = 0,
    size: int = 32,
    count: int | None = None,
    digits: int = 2,
    masks: str = "objects",
    textured: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws images of several digits, and for every pixel what it shows.

    The glyphs are those of `colored_digits`, and so are the splits: no handwriting is in both. Each digit of a scene is
    scaled to 3/8 to 1/2 of the image. Of 24 random places it takes the one that overlaps least with the digits before
    it; where they do overlap, it hides them. The digits have colors of their own: each differs from the background by
    64 of 255 in luma, all of them darker or all of them lighter, and from the other digits where one of 32 random
    colors does. A pixel belongs to a digit where at least half of its color is the digit's.

    All arithmetic is in integers and all draws are those of `keras_ssl.random.threefry2x32`, so one seed gives the same
    bytes on every machine. Scene number `i` does not depend on `count`.

    Args:
        split: `"train"` (default) or `"test"`.
        seed: integer in [0, 2**32). Defaults to 0.
        size: height and width of the images in pixels, 24 to 64. Defaults to 32.
        count: number of scenes. Defaults to 6,000 for train and 2,000 for test.
        digits: number of digits in a scene, 1 to 4. Defaults to 2.
        masks: what the masks hold besides the background, 0: `"objects"` (default), the number of the digit in the
            scene, from 1; or `"classes"`, the digit plus 1.
        textured: whether the background blends two colors by random blobs and noise, as in `colored_digits`, with the
            least difference in luma at 40. Defaults to False.

    Returns:
        `(images, masks)`: uint8 `[count, size, size, 3]`, RGB, and int32 `[count, size, size]`.

    Raises:
        ValueError: if an argument is out of range.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> images, masks = digit_scenes("test", count=10, digits=3)
    >>> images.shape, masks.shape, np.unique(masks).tolist()
    ((10, 32, 32, 3), (10, 32, 32), [0, 1, 2, 3])
    """
    if split not in _SPLITS:
        raise ValueError(f'Argument `split` must be "train" or "test". Received: split={split!r}')
    if masks not in _MASKS:
        raise ValueError(f'Argument `masks` must be "objects" or "classes". Received: masks={masks!r}')
    stream, default_count = _SPLITS[split]
    seed = check_integer("seed", seed, 0, 2**32 - 1)
    size = check_integer("size", size, 24, 64)
    count = check_integer("count", default_count if count is None else count, 1, 10**6)
    digits = check_integer("digits", digits, 1, 4)

    glyphs, targets = _glyphs(split)
    wanted = count * digits
    rounds = -(-wanted // len(glyphs))
    order = np.concatenate([permutation(len(glyphs), seed, _KEY + 2 * r + stream) for r in range(rounds)])[:wanted]
    order = order.reshape(count, digits)
    part = max(1, 2**20 // size**2)
    drawn = [
        _draw(glyphs[order[start : start + part]], start, (seed, _KEY + stream), size, textured)
        for start in range(0, count, part)
    ]
    images, objects = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    if masks == "classes":
        named = np.concatenate([np.zeros((count, 1), np.int32), targets[order].astype(np.int32) + 1], axis=1)
        objects = np.take_along_axis(named, objects.reshape(count, -1), axis=1).reshape(objects.shape)
    return images, objects


def _draw(
    glyphs: np.ndarray, start: int, key: tuple[int, int], size: int, textured: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Images and numbers of objects of the scenes of glyphs `[N, digits, 8, 8]`; the first is number `start`."""
    count, digits = glyphs.shape[:2]
    positions = np.arange(start, start + count, dtype=np.uint32)
    ink, back, other = _colors(key, positions, textured)
    inks = _inks(key, positions, ink, np.stack([back, other] if textured else [back]), digits, textured)
    ground = back[:, np.newaxis, np.newaxis, :]
    if textured:
        ground = _blend(ground, other[:, np.newaxis, np.newaxis, :], _texture(key, positions, size), 255)
    canvas = np.broadcast_to(ground, (count, size, size, 3))
    objects = np.zeros((count, size, size), np.int32)
    sides, corners = _places(key, positions, digits, size)
    for number in range(digits):
        taps = [_taps(size, corners[:, number, axis], sides[:, number], _GLYPH) for axis in (0, 1)]
        amount = taps[0] @ glyphs[:, number] @ taps[1].transpose(0, 2, 1)
        amount = np.minimum(amount + amount // 2, 16 * _ONE**2)
        canvas = _blend(canvas, inks[:, number, np.newaxis, np.newaxis, :], amount[..., np.newaxis], 16 * _ONE**2)
        objects = np.where(2 * amount >= 16 * _ONE**2, number + 1, objects)
    return canvas.astype(np.uint8), objects.astype(np.int32)


def _inks(
    key: tuple[int, int], positions: np.ndarray, first: np.ndarray, backs: np.ndarray, digits: int, textured: bool
) -> np.ndarray:
    """Colors of the digits, int64 `[N, digits, 3]`; `first` is that of the first."""
    contrast = _TEXTURED_CONTRAST if textured else _CONTRAST
    inks = [first.astype(np.int64)]
    grounds = np.stack([_luma(back) for back in backs], axis=1)  # [N, backs]
    darker = _luma(first) < grounds[:, 0]
    for number in range(1, digits):
        words = _words(key, positions, _INK_DRAW + 100 * number, _INKS)
        octets = words[..., np.newaxis] >> np.array([24, 16, 8], np.uint32) & np.uint32(255)
        colors = octets.astype(np.int64)  # [N, inks, 3]
        difference = _luma(colors)[..., np.newaxis] - grounds[:, np.newaxis]
        difference = np.where(darker[:, np.newaxis, np.newaxis], -difference, difference)
        visible = np.all(difference >= contrast, axis=-1)
        unlike = np.min([np.abs(colors - ink[:, np.newaxis]).sum(axis=-1) for ink in inks], axis=0) >= _UNLIKE
        # The first that is both, else the first that is visible.
        chosen = np.argmax(2 * visible + (visible & unlike), axis=1)
        color = np.take_along_axis(colors, chosen[:, np.newaxis, np.newaxis], axis=1)[:, 0]
        inks.append(np.where(np.any(visible, axis=1)[:, np.newaxis], color, inks[0]))
    return np.stack(inks, axis=1)


def _luma(colors: np.ndarray) -> np.ndarray:
    colors = colors.astype(np.int64)
    return (77 * colors[..., 0] + 150 * colors[..., 1] + 29 * colors[..., 2]) // 256


def _places(key: tuple[int, int], positions: np.ndarray, digits: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Sides `[N, digits]` and upper left corners `[N, digits, 2]`, in 256ths of a pixel."""
    smallest, largest = size * _ONE * 3 // 8, size * _ONE // 2
    sides: list[np.ndarray] = []
    corners: list[np.ndarray] = []
    for number in range(digits):
        words = _words(key, positions, _SCENE_PLACE_DRAW + 100 * number, 2 * _PLACES + 1)
        side = smallest + _below(words[:, 0], largest - smallest + 1)
        room = (size * _ONE - side + 1)[:, np.newaxis]
        tried = np.stack([_below(words[:, 1 + axis :: 2][:, :_PLACES], room) for axis in (0, 1)], axis=-1)
        overlap = np.zeros(tried.shape[:2], np.int64)
        for other_side, other in zip(sides, corners, strict=True):
            low = np.maximum(tried, other[:, np.newaxis])
            high = np.minimum(
                tried + side[:, np.newaxis, np.newaxis], (other + other_side[:, np.newaxis])[:, np.newaxis]
            )
            overlap += np.maximum(high - low, 0).prod(axis=-1)
        chosen = overlap.argmin(axis=1)
        sides.append(side)
        corners.append(np.take_along_axis(tried, chosen[:, np.newaxis, np.newaxis], axis=1)[:, 0])
    return np.stack(sides, axis=1), np.stack(corners, axis=1)
