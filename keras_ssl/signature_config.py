"""The configuration of an object, collected from the signature of its class."""

import difflib
import inspect
from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from typing import Any

import keras
import numpy as np


def signature_config(instance: Any, root: type) -> dict[str, Any]:
    """The arguments of `__init__` of a class, and of its bases as long as it takes `**kwargs`, by name.

    Each is read from the attribute of its name, or from the one that the class attribute `stored_as` names, such as
    `{"queue_size": "queue.size"}`. Arguments that a class passes on by itself are those of its `fixed_arguments`.
    Where a class has a `get_config` of its own, that one writes the arguments for which there is no attribute.

    Args:
        instance: an object of a subclass of `root`.
        root: the base class whose arguments, and those of its bases, are not among them.

    Returns:
        Values that JSON can hold: tuples and arrays as lists, NumPy's numbers as Python's, models and layers as Keras
        writes them.

    Raises:
        AttributeError: naming the argument that no attribute holds.
    """
    config = {}
    kind: Any = type(instance)
    names, complete = _sources(kind, root)
    for name, path in names:
        try:
            config[name] = plain(attrgetter(path)(instance))
        except AttributeError as error:
            if complete:
                raise AttributeError(
                    f"`{kind.__name__}` must keep its argument as the attribute `{path}`, name another one "
                    f"in `stored_as`, or write it in a `get_config`. Received: argument={name!r}"
                ) from error
    return config


class Configured:
    """Gives a layer or a loss a `get_config` of the arguments of its `__init__`, as `signature_config` collects them.

    It stands before Keras' base class: `class MyLayer(Configured, keras.layers.Layer)`. Arguments that Keras keeps,
    such as `name`, are left to `**kwargs`.
    """

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **signature_config(self, Configured)}  # type: ignore[misc]  # Keras' base has it


_OF_KERAS = ("name", "dtype", "trainable", "autocast", "activity_regularizer")


def refuse_unknown(kind: type, given: Iterable[str]) -> None:
    """Raises for arguments that no signature of a class and its bases has, with the closest that there is.

    Args:
        kind: the class.
        given: names that are left for `keras.Model`.

    Raises:
        ValueError: naming the first of them.
    """
    unknown = [name for name in given if name not in _OF_KERAS]
    if not unknown:
        return
    known = {
        name: None
        for base in kind.__mro__
        if base.__module__.split(".")[0] != "keras" and "__init__" in vars(base)
        for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items()
        if name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    close = difflib.get_close_matches(unknown[0], known, n=1)
    offer = f"Closest: {close[0]}." if close else f"It knows {', '.join(known)}."
    raise ValueError(f"{kind.__name__} has no such argument. {offer} Received: {unknown[0]}")


@cache
def _sources(kind: type, root: type) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The arguments that the signatures of `kind` and its bases below `root` name, and where each is kept; and whether
    no class among them has a `get_config` of its own."""
    found: dict[str, str] = {}
    fixed: set[str] = set()
    stored: dict[str, str] = {}
    passes_on, bases = True, kind.__mro__[: kind.__mro__.index(root)]
    for base in bases:
        stored = {**vars(base).get("stored_as", {}), **stored}
        if "__init__" in vars(base) and passes_on:
            parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
            for parameter in parameters:
                if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                    found.setdefault(parameter.name, "" if parameter.name in fixed else parameter.name)
            passes_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        fixed |= set(vars(base).get("fixed_arguments", ()))
    names = tuple((name, stored.get(name, name)) for name, kept in reversed(found.items()) if kept)
    return names, not any("get_config" in vars(base) for base in bases)


def plain(value: Any) -> Any:
    """A value as JSON holds it: lists for tuples and arrays, Python's numbers for NumPy's, Keras' form for models
    and layers; others as they are."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, keras.Layer):
        return keras.saving.serialize_keras_object(value)
    return value
