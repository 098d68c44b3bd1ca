"""The one list of what a recipe can name: methods, encoders, views, schedules and protocols, ours and yours.

A class or function enters it by a decorator. The library's own names are found in its files without importing them:
importing one method of several hundred imports no other.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import keras

KINDS = ("objective", "encoder", "views", "schedule", "optimizer", "protocol")
PLUGINS = "keras_ssl"  # group of entry points by which installed packages name modules that register things
_FOLDERS = {"objective": "objectives"}  # of the kinds whose files are not all imported with the library
_NAMES = re.compile(r'^@register\(\s*"objective"(?:[^()]|\([^()]*\))*\)\s*\n(?:@[^\n]*\n)*class (\w+)', re.MULTILINE)

Registered = TypeVar("Registered", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """What is registered under a name.

    Attributes:
        name: of the class or function.
        kind: one of `KINDS`.
        target: the class or function.
        family: a group of methods, such as "contrastive"; "" for what has none.
        modality: of the inputs: "image", "table", "series", "any" ...
        paper: address of the paper; "" for what has none.
    """

    name: str
    kind: str
    target: Any
    family: str = ""
    modality: str = "image"
    paper: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that a batch must hold for an objective."""
        fields = getattr(self.target, "fields", {})
        return tuple(name for name, field in fields.items() if field.required)


_entries: dict[tuple[str, str], Entry] = {}


def register(
    kind: str, *, family: str = "", modality: str = "image", paper: str = "", name: str | None = None
) -> Callable[[Registered], Registered]:
    """Registers a class or function, so that recipes and commands can name it as they name the library's own.

    A class is also registered for Keras' serialization, under its top-level package.

    Args:
        kind: "objective", "encoder", "views", "schedule", "optimizer" or "protocol".
        family: a group of methods. Defaults to "".
        modality: of the inputs. Defaults to "image".
        paper: address of the paper. Defaults to "".
        name: Defaults to the name of the class or function.

    Returns:
        A decorator that returns what it is given.

    Raises:
        ValueError: for an unknown kind, or a name that another class or function has.

    Example:

    >>> @register("schedule")
    ... def halving(peak, total_steps, warmup_steps):
    ...     return keras.optimizers.schedules.ExponentialDecay(peak, total_steps, 0.5)
    >>> find("schedule", "halving").target is halving
    True
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}. Received: kind={kind!r}")

    def enter(target: Registered) -> Registered:
        key = (kind, name or target.__name__)
        known = _entries.get(key)
        # A name of the library is taken before the file that holds it is imported, too.
        owner = known.target.__module__ if known is not None else library_names(kind).get(key[1], target.__module__)
        if owner != target.__module__ or (known is not None and known.target.__qualname__ != target.__qualname__):
            raise ValueError(f"`name` must be new: {owner} has registered it. Received: name={key[1]!r}")
        if isinstance(target, type) and not _is_serializable(target):
            package = target.__module__.split(".")[0]
            target = keras.saving.register_keras_serializable(package=package)(target)
        _entries[key] = Entry(key[1], kind, target, family, modality, paper)
        return target

    return enter


def find(kind: str, name: str) -> Entry | None:
    """The entry of a kind by name, importing the file that holds it; None where there is none."""
    if (kind, name) not in _entries:
        module = library_names(kind).get(name)
        if module is not None:
            importlib.import_module(module)
        else:
            _load_plugins()
    return _entries.get((kind, name))


def names(kind: str) -> list[str]:
    """The sorted names of a kind; of the library's own, nothing is imported."""
    _load_plugins()
    return sorted({*library_names(kind), *(name for known, name in _entries if known == kind)})


def entries(kind: str) -> Iterator[Entry]:
    """All entries of a kind, sorted by name; imports their files."""
    for name in names(kind):
        entry = find(kind, name)
        if entry is not None:
            yield entry


def list_methods(family: str | None = None, modality: str | None = None, needs_labels: bool | None = None) -> list[str]:
    """Sorted names of the registered objectives.

    Args:
        family: only those of a family, such as "contrastive". Defaults to None: all.
        modality: only those that take a kind of input, such as "image". Defaults to None: all.
        needs_labels: only those that read labels (True) or none (False). Defaults to None: all.

    Example:

    >>> "BarlowTwins" in list_methods(family="decorrelation", needs_labels=False)
    True
    """
    return [
        entry.name
        for entry in entries("objective")
        if (family is None or entry.family == family)
        and (modality is None or entry.modality in (modality, "any"))
        and (needs_labels is None or ("y" in entry.fields) == needs_labels)
    ]


@cache
def library_names(kind: str) -> dict[str, str]:
    """The library's own names of a kind, with the modules that hold them; read from the files' text."""
    if kind not in _FOLDERS:
        return {}
    root = Path(__file__).parent
    found: dict[str, str] = {}
    for path in sorted((root / _FOLDERS[kind]).rglob("*.py")):
        module = ".".join(["keras_ssl", *path.relative_to(root).with_suffix("").parts])
        found.update((name, module) for name in _NAMES.findall(path.read_text(encoding="utf-8")))
    return found


@cache
def _load_plugins() -> None:
    """Imports the modules that installed packages name in the entry point group `keras_ssl`."""
    for point in metadata.entry_points(group=PLUGINS):
        point.load()


def _is_serializable(target: type) -> bool:
    return keras.saving.get_registered_name(target) != target.__name__


class Deferred:
    """Stands in Keras' registry for a class whose file is not imported yet, and imports it when a saved model names it.

    Args:
        module: that holds the class.
        name: of the class.
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def from_config(self, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        target = getattr(importlib.import_module(self.module), self.name)
        return target.from_config(config) if custom_objects is None else target.from_config(config, custom_objects)


def defer_serialization() -> None:
    """Lets Keras load saved objectives of the library before their files are imported."""
    known = keras.saving.get_custom_objects()
    for kind in _FOLDERS:
        for name, module in library_names(kind).items():
            known.setdefault(f"keras_ssl>{name}", Deferred(module, name))
