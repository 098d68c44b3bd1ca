"""stable-pretraining by its parts: its loss and its transforms.

Its package as a whole brings Lightning, Hydra, transformers, loggers and data bases, none of which has a part in what
is measured here. The projector has the layers of its own.
"""

from collections.abc import Callable
from typing import Any

import torch_jobs
from torch_imports import open_package, torch

for _name in ("stable_pretraining", "stable_pretraining.losses", "stable_pretraining.data"):
    open_package(_name)
_utils = open_package("stable_pretraining.utils")

import stable_pretraining.utils.distributed as _distributed  # noqa: E402

# What its losses look for in the package itself.
for _name in ("all_gather", "all_reduce", "get_rank", "get_world_size"):
    setattr(_utils, _name, getattr(_distributed, _name))

from stable_pretraining.data import transforms  # noqa: E402
from stable_pretraining.losses.joint_embedding import BarlowTwinsLoss  # noqa: E402
from torch_encoders import Siamese, perceptron  # noqa: E402


def step(encoder: str, projector: list[int], size: int, batch_size: int, steps: int) -> tuple[Callable[[], Any], int]:
    """Barlow Twins' training step on ready-made views."""
    torch.manual_seed(0)
    model = Siamese(encoder, lambda width: perceptron(width, projector, bias=False), BarlowTwinsLoss(lambd=0.0051))
    return torch_jobs.training(model, size, batch_size, steps)


def views(size: int, batch_size: int, blur: bool) -> tuple[Callable[[], Any], int]:
    """SimCLR's views, by its transforms of a sample with an image."""
    one = transforms.Compose(
        transforms.RGB(),
        transforms.RandomResizedCrop((size, size), scale=(0.08, 1.0)),
        transforms.RandomHorizontalFlip(0.5),
        transforms.ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.8),
        transforms.RandomGrayscale(p=0.2),
        *([transforms.PILGaussianBlur(p=0.5)] if blur else []),
        transforms.ToImage(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    )
    both = transforms.MultiViewTransform([one, one])
    return torch_jobs.one_process(
        lambda image: [view["image"] for view in both({"image": image})["views"]], size, batch_size
    )
