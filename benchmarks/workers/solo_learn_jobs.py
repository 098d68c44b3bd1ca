"""solo-learn 1.0.2 by its parts: its loss and its transforms.

Its package as a whole asks for PyTorch 1.9.1 and a PyTorch Lightning of that time, which no Python of today has; the
two parts measured here need neither. The projector has the layers of its own.
"""

from collections.abc import Callable
from typing import Any

import torch_jobs
from torch_imports import open_package, torch

for _name in ("solo", "solo.utils"):
    open_package(_name)

from solo.losses.barlow import barlow_loss_func  # noqa: E402
from solo.utils.pretrain_dataloader import prepare_n_crop_transform, prepare_transform  # noqa: E402
from torch_encoders import Siamese, perceptron  # noqa: E402


def step(encoder: str, projector: list[int], size: int, batch_size: int, steps: int) -> tuple[Callable[[], Any], int]:
    """Barlow Twins' training step on ready-made views."""
    torch.manual_seed(0)
    model = Siamese(encoder, lambda width: perceptron(width, projector, bias=True), barlow_loss_func)
    return torch_jobs.training(model, size, batch_size, steps)


def views(size: int, batch_size: int, blur: bool) -> tuple[Callable[[], Any], int]:
    """SimCLR's views, by the transform it has for CIFAR."""
    one = prepare_transform(
        "cifar10",
        brightness=0.8,
        contrast=0.8,
        saturation=0.8,
        hue=0.2,
        gaussian_prob=0.5 if blur else 0.0,
        crop_size=size,
    )
    return torch_jobs.one_process(prepare_n_crop_transform([one], [2]), size, batch_size)
