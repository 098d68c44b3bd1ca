"""The method that `pretrain` takes where it is told none: read from a table that was measured."""

import json
import math
from importlib import resources
from typing import Any

TABLE = "best_methods.json"
"""File beside this one that `python -m benchmarks.choices --publish` writes."""


def best_method(images: int | None) -> str:
    """The method with the best mean kNN accuracy over the data sets of `benchmarks/choices.py`.

    Args:
        images: number of training images, or None where it is unknown: the largest number that was measured.

    Returns:
        The name of the objective at the number of images that is nearest, by its logarithm.

    Example:

    >>> best_method(3000) in keras_ssl.list_methods()
    True
    """
    rows = best_methods()
    if images is None:
        return str(max(rows, key=lambda row: row["images"])["method"])
    return str(min(rows, key=lambda row: abs(math.log(row["images"] / max(images, 1))))["method"])


def best_methods() -> list[dict[str, Any]]:
    """The rows of the table: numbers of images, the best method of each, and its mean accuracy."""
    text = (resources.files("keras_ssl.workflows") / TABLE).read_text(encoding="utf-8")
    return json.loads(text)["rows"]
