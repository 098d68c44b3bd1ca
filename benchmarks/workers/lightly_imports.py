"""lightly, where PyPI's torchvision stands beside a build of PyTorch that it was not made for.

torchvision says what the results of its compiled operators look like as soon as it is imported, and fails where the
operators are not there. None of them is called here, so it is enough to declare them.
"""

import torch

_operators = torch.library.Library("torchvision", "DEF")
_operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import lightly  # noqa: E402
import lightly.loss  # noqa: E402
import lightly.models.modules  # noqa: E402
import lightly.transforms  # noqa: E402

__all__ = ["lightly", "torch"]
