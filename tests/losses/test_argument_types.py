"""Losses take arguments of several floating types: NumPy makes float64, networks give float32."""

import doctest
import functools
import importlib
import inspect
import pkgutil
from typing import Any

import keras
import numpy as np
import pytest

from keras_ssl import losses

pytestmark = pytest.mark.once


def _functions() -> dict[str, Any]:
    modules = [importlib.import_module(m.name) for m in pkgutil.walk_packages(losses.__path__, "keras_ssl.losses.")]
    public = [getattr(module, name) for module in modules for name in getattr(module, "__all__", ())]
    return {f.__name__: f for f in public if inspect.isfunction(f) and ">>>" in (f.__doc__ or "")}


def _is_float(value: Any) -> bool:
    return hasattr(value, "shape") and "float" in keras.backend.standardize_dtype(value.dtype)


def _cast(value: Any, dtype: str) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_cast(item, dtype) for item in value)
    return keras.ops.convert_to_numpy(value).astype(dtype) if _is_float(value) else value


def _with_one_wide(function: Any, name: str | None) -> Any:
    """`function` whose floating arguments come in float32, the one of this name in float64."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for key, value in bound.arguments.items():
            bound.arguments[key] = _cast(value, "float64" if key == name else "float32")
        return function(*bound.args, **bound.kwargs)

    return call


@pytest.mark.parametrize("name", sorted(_functions()))
def test_one_argument_in_float64_and_the_others_in_float32(name: str) -> None:
    function = _functions()[name]
    module = inspect.getmodule(function)
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(function))
    for wide in inspect.signature(function).parameters:
        names = {**vars(module), "np": np, "keras": keras, name: _with_one_wide(function, wide)}
        test = doctest.DocTest(examples, names, f"{name}({wide} in float64)", None, None, None)
        failed: list[str] = []
        doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=failed.append)
        assert not failed, "".join(failed)
