"""SimCLR's views by lightly: one process, and a data loader with a worker for each core."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from lightly_imports import lightly, torch
from PIL import Image


def transform(size: int, blur: bool) -> Any:
    return lightly.transforms.SimCLRTransform(input_size=size, gaussian_blur=0.5 if blur else 0.0)


class Images(torch.utils.data.Dataset):
    """Images in memory, opened as PIL images: what a folder costs to read is not in this measurement."""

    def __init__(self, count: int, size: int, blur: bool) -> None:
        arrays = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), "uint8")
        self.images = [Image.fromarray(array) for array in arrays]
        self.transform = transform(size, blur)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.images[index])


def one_process(size: int, batch_size: int, blur: bool) -> tuple[Callable[[], Any], int]:
    """A batch of images, one after the other."""
    data = Images(batch_size, size, blur)

    def run() -> None:
        made = [data[index] for index in range(batch_size)]
        [torch.stack(views) for views in zip(*made, strict=True)]

    return run, 2 * batch_size


def loader(size: int, batch_size: int, blur: bool) -> tuple[Callable[[], Any], int]:
    """The same by a data loader with a worker for each core, which stay from epoch to epoch."""
    batches = 8
    data = Images(batches * batch_size, size, blur)
    cores = len(os.sched_getaffinity(0))
    ready = torch.utils.data.DataLoader(data, batch_size, num_workers=cores, persistent_workers=True)

    def run() -> None:
        for _ in ready:
            pass

    return run, 2 * batch_size * batches
