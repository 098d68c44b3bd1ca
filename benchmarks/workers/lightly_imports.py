"""lightly."""

from torch_imports import torch

import lightly  # isort: skip - torchvision, which it imports, needs what torch_imports declares
import lightly.loss
import lightly.models.modules
import lightly.transforms

__all__ = ["lightly", "torch"]
