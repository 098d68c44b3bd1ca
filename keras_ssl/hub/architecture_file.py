"""The architecture of an encoder that is not one of this library's classes, as a file of Keras' own configuration."""

import importlib
import json
from collections.abc import Iterator
from typing import Any

import keras

from keras_ssl.hub.parse_text import ODD_VALUES, reason
from keras_ssl.precision import dtype_policy

ARCHITECTURE_NAME = "architecture.json"

_LARGEST = 2**26  # bytes; the configuration of the largest model of keras.applications has half a million
_DEEPEST = 200
_KERAS = ("keras", "keras_hub", "keras_cv", "keras_nlp", "builtins")  # what Keras itself looks for classes in
_OWN = ("keras_ssl.layers", "keras_ssl.encoders", "keras_ssl.adaptation", "keras_ssl.interop")
_NOT_DATA = {  # classes that run code, or read files and programs, that a configuration names
    "__lambda__",
    "FlaxLayer",
    "JaxLayer",
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
}
_POLICIES = ("DTypePolicy", "FloatDTypePolicy", "QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy")


def architecture_bytes(encoder: keras.Model) -> bytes:
    """The configuration of a model as JSON, from which `build_architecture` makes a model like it, in float32.

    Raises:
        ValueError: if the model has no complete configuration, or holds a layer that runs code of its configuration.

    Example:

    >>> inputs = keras.Input((4,))
    >>> encoder = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    >>> build_architecture(architecture_bytes(encoder)).output_shape
    (None, 2)
    """
    try:
        config = _in_float32(keras.saving.serialize_keras_object(encoder))
        content = json.dumps(config).encode()
    except (NotImplementedError, *ODD_VALUES) as error:
        raise ValueError(f"The model has no complete configuration: {reason(error)[:500]}") from error
    _check_tables(config)
    return content


def build_architecture(content: bytes) -> keras.Model:
    """A model from what `architecture_bytes` made of one: built, with new initial weights.

    Classes are those of Keras, of this library, or of packages that have registered theirs before
    (`keras.saving.register_keras_serializable`). No other module is imported and no code is read: layers that run code
    of their configuration are refused, and Keras reads the rest in its safe mode.

    Raises:
        ValueError: if it is not such a file, names a class that is not there, or one that would run code.
    """
    if len(content) > _LARGEST:
        raise ValueError(f"An architecture must have at most {_LARGEST} bytes. Received: {len(content)} bytes")
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"An architecture must be JSON ({reason(error)[:200]}). Received: {content[:60]!r}") from error
    if not isinstance(config, dict):
        raise ValueError(f"An architecture must be the table of a model. Received: {content[:60]!r}")
    _check_tables(config)
    for name in needed_modules(config):
        if name.startswith(_OWN):
            importlib.import_module(name)
    absent = [name for name in needed_classes(config) if keras.saving.get_registered_object(name) is None]
    if absent:
        raise ValueError(
            "The architecture needs classes that Keras does not know here: import the modules that register them by "
            f"`keras.saving.register_keras_serializable`. Received: {', '.join(absent[:5])}, which came from "
            f"{', '.join(needed_modules(config)) or 'an unnamed module'}"
        )
    with dtype_policy("float32"):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"An architecture must be that of a built keras.Model. Received: {type(model).__name__}")
    return model


def needed_modules(config: Any) -> list[str]:
    """Sorted modules outside of Keras that a configuration names classes of."""
    modules = {table["module"] for table in _tables(config) if isinstance(table.get("module"), str)}
    return sorted(name for name in modules if name.split(".")[0] not in _KERAS)


def needed_classes(config: Any) -> list[str]:
    """Sorted registered names of the classes outside of Keras that a configuration needs, such as "mine>Block"."""
    found = {
        str(table.get("registered_name") or table["class_name"])
        for table in _tables(config)
        if isinstance(table.get("module", "keras"), str | None)
        and (table.get("module") or "keras").split(".")[0] not in _KERAS
    }
    return sorted(found)


def _tables(config: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The tables of a configuration that name a class, from the outside in."""
    if depth > _DEEPEST:
        raise ValueError(f"An architecture must be nested at most {_DEEPEST} deep. Received: more")
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from _tables(value, depth + 1)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _tables(value, depth + 1)


def _check_tables(config: Any) -> None:
    for table in _tables(config):
        name, module = table["class_name"], table.get("module")
        if not isinstance(name, str) or not isinstance(module, str | None):
            raise ValueError(
                f"An architecture names classes by texts. Received: class_name={name!r}, module={module!r}"
            )
        if name in _NOT_DATA:
            raise ValueError(
                f"A layer of this kind runs code that the architecture would have to bring. Received: layer={name!r}"
            )


def _in_float32(config: Any) -> Any:
    """A configuration whose layers compute in float32, whatever they were trained in."""
    if isinstance(config, dict):
        if config.get("class_name") in _POLICIES:
            return {**config, "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_in_float32(value) for value in config]
    return config
