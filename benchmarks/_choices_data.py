"""Three small data sets that need no network: colored digits, drawn shapes, and tiles of two photographs."""

from collections.abc import Callable

import numpy as np

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Training images and labels, test images and labels; uint8 `[N, H, W, 3]` and int64 `[N]`."""

SHAPES = ("disk", "ring", "square", "frame", "triangle", "cross", "bar", "half disk")
_SHAPE_SIDE, _TILE_SIDE = 24, 32
_REGIONS = (2, 3)  # rows and columns into which a photograph is cut, a class each


def digits(train: int, test: int, seed: int) -> Split:
    """The embedded digits, 16 pixels: ten classes."""
    import keras_ssl

    return (
        *keras_ssl.data.colored_digits("train", seed=seed, size=16, count=train),
        *keras_ssl.data.colored_digits("test", seed=seed, size=16, count=test),
    )


def shapes(train: int, test: int, seed: int) -> Split:
    """Eight shapes of any place, size, angle and color on a noisy ground, 24 pixels."""
    random = np.random.default_rng([seed, 1])
    y = random.integers(len(SHAPES), size=train + test)
    x = np.stack([_drawn(SHAPES[kind], random) for kind in y])
    return x[:train], y[:train], x[train:], y[train:]


def _drawn(shape: str, random: np.random.Generator) -> np.ndarray:
    grid = (np.arange(_SHAPE_SIDE) + 0.5) / _SHAPE_SIDE * 2 - 1
    row, column = np.meshgrid(grid, grid, indexing="ij")
    radius, angle = random.uniform(0.45, 0.75), random.uniform(0, 2 * np.pi)
    top, left = random.uniform(radius - 1, 1 - radius, 2)
    # Coordinates in which the shape fills the unit disk.
    u = ((row - top) * np.cos(angle) + (column - left) * np.sin(angle)) / radius
    v = ((column - left) * np.cos(angle) - (row - top) * np.sin(angle)) / radius
    far, box = np.hypot(u, v), np.maximum(abs(u), abs(v))
    inside = {
        "disk": far < 0.8,
        "ring": (far < 0.9) & (far > 0.55),
        "square": box < 0.7,
        "frame": (box < 0.75) & (box > 0.45),
        "triangle": (u < 0.5) & (np.sqrt(3) * abs(v) < u + 1.0),
        "cross": (np.minimum(abs(u), abs(v)) < 0.25) & (box < 0.85),
        "bar": (abs(u) < 0.25) & (abs(v) < 0.95),
        "half disk": (far < 0.95) & (u > 0),
    }[shape]
    ground = random.uniform(0, 255, 3)
    paint = (ground + random.uniform(80, 175, 3)) % 256
    image = np.where(inside[..., None], paint, ground) + random.normal(0, 12, (_SHAPE_SIDE, _SHAPE_SIDE, 3))
    return np.clip(image, 0, 255).astype("uint8")


def tiles(train: int, test: int, seed: int) -> Split:
    """Tiles of 32 pixels of the two photographs that come with scikit-learn; the class is the region that a tile is of.

    A region is a sixth of a photograph. Training tiles come from its upper three quarters, test tiles from the rest, so
    that no pixel is in both.
    """
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng([seed, 2])
    photographs = load_sample_images().images
    rows, columns = _REGIONS
    split: list[np.ndarray] = []
    for count, low, high in ((train, 0.0, 0.75), (test, 0.75, 1.0)):
        y = random.integers(len(photographs) * rows * columns, size=count)
        x = np.empty((count, _TILE_SIDE, _TILE_SIDE, 3), "uint8")
        for number, kind in enumerate(y):
            photograph, region = divmod(int(kind), rows * columns)
            pixels = photographs[photograph]
            height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
            top, left = region // columns * height, region % columns * width
            first, last = top + int(np.ceil(low * height)), top + int(high * height) - _TILE_SIDE
            at, across = random.integers(first, last + 1), random.integers(left, left + width - _TILE_SIDE + 1)
            x[number] = pixels[at : at + _TILE_SIDE, across : across + _TILE_SIDE]
        split += [x, y]
    return split[0], split[1], split[2], split[3]


SETS: dict[str, Callable[[int, int, int], Split]] = {"digits": digits, "shapes": shapes, "tiles": tiles}
"""By name: a function of the numbers of training and test images and a seed."""
