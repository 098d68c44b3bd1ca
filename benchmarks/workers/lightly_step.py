"""Barlow Twins' training step on ready-made views, of lightly's parts in a loop of PyTorch's usual form."""

from collections.abc import Callable
from typing import Any

from lightly_imports import torch
from lightly_models import BarlowTwins


def loop(encoder: str, projector: list[int], size: int, batch_size: int, steps: int) -> tuple[Callable[[], Any], int]:
    torch.manual_seed(0)
    model = BarlowTwins(encoder, projector).train()
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
