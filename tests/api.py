"""`make api` writes the public names and their signatures into tests/api.txt: a change of it is one for users."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import keras_ssl

SNAPSHOT = Path(__file__).with_name("api.txt")


def public_modules() -> list[ModuleType]:
    """The library, and every package and module of it whose `__all__` says what is public."""
    found = [keras_ssl]
    for module in pkgutil.walk_packages(keras_ssl.__path__, "keras_ssl."):
        if module.ispkg and not any(part.startswith("_") for part in module.name.split(".")):
            found.append(importlib.import_module(module.name))
    return [module for module in found if hasattr(module, "__all__")]


def signature(value: object) -> str:
    """The arguments of what can be called, without types, which change with no one's program."""
    try:
        found = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    empty = inspect.Parameter.empty
    kept = [each.replace(annotation=empty, default=readable(each.default)) for each in found.parameters.values()]
    return str(found.replace(parameters=kept, return_annotation=empty))


def readable(default: object) -> object:
    """A default whose text is the same in every process."""
    name = getattr(default, "__qualname__", None)
    if default is inspect.Parameter.empty or (name is None and " at 0x" not in repr(default)):
        return default
    return Written(name or type(default).__qualname__)


class Written:
    """Text that shows itself."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def lines(name: str, value: object) -> list[str]:
    """The line of a public name, and those of the methods and properties that a class defines itself."""
    if isinstance(value, ModuleType):
        return [f"{name} (module)"]
    if not inspect.isclass(value):
        return [f"{name}{signature(value)}" if callable(value) else f"{name} = {type(value).__qualname__}"]
    found = [f"{name}{signature(value)}"]
    for part, member in sorted(vars(value).items()):
        if part.startswith("_"):
            continue
        if isinstance(member, staticmethod | classmethod):
            member = member.__func__
        if inspect.isfunction(member):
            found.append(f"{name}.{part}{signature(member)}")
        elif isinstance(member, property):
            found.append(f"{name}.{part} (property)")
    return found


def snapshot() -> str:
    """All public names, by module; what a package below has as well is described there."""
    text, described = [], {}
    for module in sorted(public_modules(), key=lambda module: (module is keras_ssl, module.__name__)):
        for name in sorted(module.__all__):
            whole, value = f"{module.__name__}.{name}", getattr(module, name)
            elsewhere = described.get(id(value)) if callable(value) else None
            text += [f"{whole} = {elsewhere}"] if elsewhere else lines(whole, value)
            described.setdefault(id(value), whole)
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(), encoding="utf-8")
