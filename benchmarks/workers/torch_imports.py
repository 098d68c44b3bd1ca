"""PyTorch, also where PyPI's torchvision stands beside a build of it that it was not made for.

torchvision says what the results of its compiled operators look like as soon as it is imported, and fails where the
operators are not there. None of them is called here, so it is enough to declare them.
"""

import importlib.util
import sys
import types
from pathlib import Path

import torch


def _has_operators() -> bool:
    """Whether torchvision's compiled part suits this PyTorch."""
    found = importlib.util.find_spec("torchvision")
    try:
        for folder in (found and found.submodule_search_locations) or ():
            for library in Path(folder).glob("_C*.so"):
                torch.ops.load_library(str(library))
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


if not _has_operators():
    _operators = torch.library.Library("torchvision", "DEF")
    _operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def open_package(name: str) -> types.ModuleType:
    """The package `name` without what its `__init__` imports, so that its modules can be imported one by one.

    For projects whose package brings a trainer, loggers and downloads that neither a loss nor a transform uses.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"There is no package {name}.")
    package = types.ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = package
    return package


__all__ = ["open_package", "torch"]
