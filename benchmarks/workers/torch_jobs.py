"""Jobs of PyTorch's usual form, of whichever project's parts."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from torch_imports import torch


def training(model: torch.nn.Module, size: int, batch_size: int, steps: int) -> tuple[Callable[[], Any], int]:
    """Steps of a model that gives the loss of two ready-made views."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    first, second = (torch.rand(batch_size, 3, size, size) for _ in range(2))
    # As fast as PyTorch does convolutions on a CPU.
    model = model.to(memory_format=torch.channels_last)
    first, second = (view.contiguous(memory_format=torch.channels_last) for view in (first, second))

    def run() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(first, second)
            loss.backward()
            optimizer.step()
        loss.item()

    return run, batch_size * steps


class Images(torch.utils.data.Dataset):
    """Images in memory, opened as PIL images: what a folder costs to read is not in this measurement.

    Args:
        count: how many.
        size: pixels.
        transform: gives the views of one.
    """

    def __init__(self, count: int, size: int, transform: Callable[[Any], Any]) -> None:
        arrays = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), "uint8")
        self.images = [Image.fromarray(array) for array in arrays]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.images[index])


def one_process(transform: Callable[[Any], Any], size: int, batch_size: int) -> tuple[Callable[[], Any], int]:
    """The views of a batch of images, one image after the other."""
    data = Images(batch_size, size, transform)

    def run() -> None:
        made = [data[index] for index in range(batch_size)]
        [torch.stack(views) for views in zip(*made, strict=True)]

    return run, 2 * batch_size
