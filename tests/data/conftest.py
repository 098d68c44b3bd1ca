import numpy as np
import pytest


@pytest.fixture
def write_images():
    """A function that writes `count` images, each of one gray level of its own, below a folder."""

    def write(folder, count, extension="png", size=(6, 4), first=0):
        image = pytest.importorskip("PIL.Image")
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            pixels = np.full((size[1], size[0], 3), number % 256, np.uint8)
            image.fromarray(pixels).save(folder / f"{number:04d}.{extension}")

    return write
