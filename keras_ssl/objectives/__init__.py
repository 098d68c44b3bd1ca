"""Objectives: one file each, every one a `keras.Model` that pretrains an encoder.

A name is found in its file when it is first asked for; `keras_ssl.list_methods()` lists them.
"""

import importlib
import sys
from typing import Any

from keras_ssl.registry import library_names

__all__ = sorted(library_names("objective"))


def __getattr__(name: str) -> Any:
    module = library_names("objective").get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
