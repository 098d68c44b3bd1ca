"""What a class or function can be told: the names of its arguments, read from its signature."""

import inspect
from collections.abc import Callable
from typing import Any

_NOT_ARGUMENTS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def known_arguments(target: Callable[..., Any], stop: str = "") -> list[str]:
    """Names of the arguments that `target` takes, in order.

    Where a class hands further keyword arguments (`**kwargs`) to its base class, those that the base class
    takes count too, and so on up to a class that hands on none, or whose module begins with `stop`.

    Args:
        target: a class or function.
        stop: beginning of the names of modules whose classes are left out, such as "keras.". Defaults to "":
            none.

    Example:

    >>> from keras_ssl.objectives import SimCLR
    >>> known_arguments(SimCLR, stop="keras.")[:3]
    ['encoder', 'projector', 'temperature']
    """
    functions: list[Callable[..., Any]] = [target]
    if inspect.isclass(target):
        bases = [kind for kind in target.__mro__ if not (stop and kind.__module__.startswith(stop))]
        functions = [kind.__dict__["__init__"] for kind in bases if "__init__" in kind.__dict__]
    names: dict[str, None] = {}
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        names.update((item.name, None) for item in parameters if item.kind not in _NOT_ARGUMENTS)
        if not any(item.kind == inspect.Parameter.VAR_KEYWORD for item in parameters):
            break
    names.pop("self", None)
    return list(names)


def default_arguments(kind: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a class or function that have a default, with it.

    Example:

    >>> from keras_ssl.encoders import ConvNet
    >>> default_arguments(ConvNet)["widths"]
    (16, 32, 64, 128)
    """
    parameters = inspect.signature(kind).parameters.values()
    return {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}
