"""SimCLR's views of photographs in files by lightly: its data set and transform, in one process or a data loader."""

import os
import time
from collections.abc import Callable
from typing import Any

from lightly_imports import lightly, torch


def run(folder: str, size: int, batch_size: int, batches: int, cores: int) -> tuple[Callable[[], Any], int]:
    """A round is so many batches; on one core without worker processes, on more with one for each."""
    from lightly.data import LightlyDataset

    chosen = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, chosen)
    torch.set_num_threads(1)  # an operation on a small tensor is no faster on several
    data = LightlyDataset(folder, transform=lightly.transforms.SimCLRTransform(input_size=size))
    loader = torch.utils.data.DataLoader(
        data,
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=0 if cores == 1 else cores,
        persistent_workers=cores > 1,
    )

    def endless() -> Any:
        while True:
            yield from loader

    ready = endless()

    def rounds() -> dict[str, float]:
        begun = time.process_time()
        for _ in range(batches):
            next(ready)
        return {"cpu": time.process_time() - begun}

    return rounds, 2 * batch_size * batches
