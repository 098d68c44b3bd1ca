"""Where the places of a grid lie."""

from collections.abc import Sequence

import numpy as np


def grid_positions(grid: Sequence[int]) -> np.ndarray:
    """The distances of each place from the four edges, each 0 to 1: float32 `[rows * columns, 4]`, row by row.

    A linear map of them tells places apart, whatever the size of the grid.

    Args:
        grid: rows and columns.

    Example:

    >>> grid_positions((1, 2)).tolist()
    [[0.5, 0.25, 0.5, 0.75], [0.5, 0.75, 0.5, 0.25]]
    """
    rows, columns = ((np.arange(side) + 0.5) / side for side in grid)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([places, 1 - places], axis=1).astype(np.float32)
