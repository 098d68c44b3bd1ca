"""Type aliases shared by the whole library."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the active Keras backend (or a NumPy array, where `keras.ops` takes one)."""

Logs: TypeAlias = dict[str, Any]
"""Named scalars of one step."""
