"""lightly, also where PyPI's torchvision stands beside a build of PyTorch that it was not made for.

torchvision says what the results of its compiled operators look like as soon as it is imported, and fails where the
operators are not there. None of them is called here, so it is enough to declare them.
"""

import importlib.util
from pathlib import Path

import torch


def _has_operators() -> bool:
    """Whether torchvision's compiled part suits this PyTorch."""
    found = importlib.util.find_spec("torchvision")
    folder = Path(next(iter((found and found.submodule_search_locations) or ["."])))
    try:
        for library in folder.glob("_C*.so"):
            torch.ops.load_library(str(library))
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


if not _has_operators():
    _operators = torch.library.Library("torchvision", "DEF")
    _operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import lightly  # noqa: E402
import lightly.loss  # noqa: E402
import lightly.models.modules  # noqa: E402
import lightly.transforms  # noqa: E402

__all__ = ["lightly", "torch"]
