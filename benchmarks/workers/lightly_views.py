"""SimCLR's views by lightly: one process, and a data loader with a worker for each core."""

import os
from collections.abc import Callable
from typing import Any

import torch_jobs
from lightly_imports import lightly, torch


def transform(size: int, blur: bool) -> Any:
    return lightly.transforms.SimCLRTransform(input_size=size, gaussian_blur=0.5 if blur else 0.0)


def one_process(size: int, batch_size: int, blur: bool) -> tuple[Callable[[], Any], int]:
    """A batch of images, one after the other."""
    return torch_jobs.one_process(transform(size, blur), size, batch_size)


def loader(size: int, batch_size: int, blur: bool) -> tuple[Callable[[], Any], int]:
    """The same by a data loader with a worker for each core, which stay from epoch to epoch."""
    batches = 8
    data = torch_jobs.Images(batches * batch_size, size, transform(size, blur))
    cores = len(os.sched_getaffinity(0))
    ready = torch.utils.data.DataLoader(data, batch_size, num_workers=cores, persistent_workers=True)

    def run() -> None:
        for _ in ready:
            pass

    return run, 2 * batch_size * batches
