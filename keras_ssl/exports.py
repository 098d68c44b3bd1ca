"""What a package exports: the names in `__all__` of its modules, each imported when it is first asked for."""

import ast
import importlib
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

_ALL = re.compile(r"^__all__ = (\[[^\]]*\])", re.MULTILINE)


@cache
def exported_names(package: str, folder: str) -> dict[str, str]:
    """The public names of a package's modules, with the modules that hold them; read from the files' text.

    Args:
        package: such as "keras_ssl.losses".
        folder: of its files, with its subfolders.

    Raises:
        ValueError: if two modules export a name.
    """
    found: dict[str, str] = {}
    root = Path(folder)
    for path in sorted(root.rglob("*.py")):
        if path.name == "__init__.py":
            continue
        listed = _ALL.search(path.read_text(encoding="utf-8"))
        module = ".".join([package, *path.relative_to(root).with_suffix("").parts])
        for name in ast.literal_eval(listed.group(1)) if listed else ():
            if name in found:
                raise ValueError(f"A name is exported once. Received: {name!r} in {found[name]} and in {module}")
            found[name] = module
    return found


class Package(ModuleType):
    """A package in which a function keeps its name where its file has the same: importing a file by its own path makes
    Python put the module into the package under that name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and self.__dict__["_lazy"].get(name) == value.__name__:
            value = getattr(value, name, value)
        super().__setattr__(name, value)


def lazy_exports(package: str, file: str) -> tuple[Callable[[str], Any], list[str]]:
    """The `__getattr__` of a package, and the names that it finds: a new module of it needs no line elsewhere.

    Args:
        package: the package's `__name__`.
        file: the package's `__file__`.

    Example:

    >>> find, names = lazy_exports("keras_ssl.schedules", keras_ssl.schedules.__file__)
    >>> all(find(name).__name__ == name for name in names)
    True
    """
    names = exported_names(package, str(Path(file).parent))
    here = sys.modules[package]
    here.__dict__["_lazy"] = names
    here.__class__ = Package

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=here)
        return getattr(importlib.import_module(names[name]), name)

    return find, sorted(names)
