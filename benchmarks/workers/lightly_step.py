"""Barlow Twins' training step on ready-made views, of lightly's parts in a loop of PyTorch's usual form."""

from collections.abc import Callable
from typing import Any

from lightly_imports import torch
from lightly_models import barlow_twins
from torch_jobs import training


def loop(encoder: str, projector: list[int], size: int, batch_size: int, steps: int) -> tuple[Callable[[], Any], int]:
    torch.manual_seed(0)
    return training(barlow_twins(encoder, projector), size, batch_size, steps)
