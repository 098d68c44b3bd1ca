"""What is measured on a GPU: sizes only, so that every environment can read it."""

from typing import Any

CASES: dict[str, dict[str, Any]] = {
    "resnet18": {"size": 32, "source": 32, "batch_size": 512, "images": 16384, "projector": [2048, 2048, 2048]},
    "resnet50": {"size": 224, "source": 256, "batch_size": 256, "images": 4096, "projector": [8192, 8192, 8192]},
    "vit_s16": {"size": 224, "source": 256, "batch_size": 256, "images": 4096, "projector": [8192, 8192, 8192]},
}
"""By encoder: side of the views and of the images they are cut from, in pixels; images in a batch, and in the data set;
widths of the projector."""

SMALL: dict[str, Any] = {"size": 16, "source": 20, "batch_size": 4, "images": 8, "projector": [8, 8]}
"""Sizes for a run that only shows that everything works."""


def case(encoder: str, small: bool) -> dict[str, Any]:
    """The sizes of a case."""
    return CASES[encoder] | (SMALL if small else {})


def blurred(size: int) -> bool:
    """Whether the views are blurred: the published recipes leave it out on small images."""
    return size > 32
