"""The tests that a change needs, by what each file needs."""

import ast
import os
import tomllib
from collections import Counter
from functools import cached_property
from pathlib import Path

from scripts.snake_case import snake_case
from tests.selection.changes import base_commit, changed_nodes, git
from tests.selection.import_graph import ROOT, ImportGraph
from tests.selection.plan import Plan

METHODS = "tests/objectives/tiny.py"  # a row for every method
TABLE = "OBJECTIVES"
REFERENCE = "keras_ssl/training/reference.py"
WIDE = 40  # what more methods need is tested like the step of training: two of each family, and the share
# Where no class says its family by `@register(family=...)`.
FAMILIES = {
    "contrastive": ("simclr", "moco"),
    "decorrelation": ("barlow_twins", "vicreg"),
    "self_distillation": ("byol", "dino"),
    "clustering": ("swav",),
}
BACKENDS = {"keras", "tensorflow", "jax"}


class Selection:
    """What a change touches.

    Args:
        graph: what each file needs.
        changed: files that changed; None where that is unknown.
    """

    def __init__(self, graph: ImportGraph, changed: set[str] | None):
        self.graph = graph
        self.changed = changed

    @cached_property
    def methods(self) -> tuple[str, ...]:
        rows = (name for name in self.graph.parts(METHODS) if name.startswith(f"{TABLE}["))
        return *(row.removeprefix(f"{TABLE}[").removesuffix("]") for row in rows), *self.registered

    @cached_property
    def registered(self) -> dict[str, str]:
        """The files of the methods that say by `tiny` how a small model is made, and are in no row of the table."""
        found = {}
        for path in self.graph.files:
            for node in self.graph.tree(path).body if path.startswith("keras_ssl/objectives/") else ():
                names = [each.target.id for each in getattr(node, "body", ()) if isinstance(each, ast.AnnAssign)]
                if isinstance(node, ast.ClassDef) and "tiny" in names:
                    found[snake_case(node.name)] = path
        return found

    @cached_property
    def recipes(self) -> dict[str, str]:
        """The method of each recipe, by file: the longest name of a method that the file's name starts with."""
        found = {}
        for path in self.graph.files:
            if path.startswith("zoo/recipes/") and path.endswith(".toml"):
                stem = f"{Path(path).stem}_"
                owner = max((name for name in self.methods if stem.startswith(f"{name}_")), key=len, default=None)
                if owner:
                    found[path] = owner
        return found

    def method(self, name: str, without: frozenset[str] = frozenset()) -> frozenset[str]:
        """All that a method needs: its class, loss, layers and views, its recipes and what they name, its example."""
        nodes = {f"{METHODS}::{TABLE}[{name}]"}
        if name in self.registered:
            nodes = {self.registered[name], "keras_ssl/testing/tiny_model.py"}
        nodes.update(path for path in self.graph.files if path == f"examples/{name}.py")
        recipes = {path for path, owner in self.recipes.items() if owner == name}
        for recipe in sorted(recipes):
            recipes |= self.named_by(recipe)
        nodes |= recipes
        found = frozenset().union(*(self.graph.closure(node, without) for node in nodes))
        # Whoever reads one recipe can read all.
        return found - ({path for path in found if path.startswith(("zoo/", "saved_models/"))} - recipes)

    def named_by(self, recipe: str) -> set[str]:
        """The files of what a recipe names, and the recipes that it extends."""
        found = {recipe}
        ahead: list = [tomllib.loads(self.graph.source(recipe))]
        while ahead:
            table = ahead.pop()
            values = table.values() if isinstance(table, dict) else table
            ahead.extend(value for value in values if isinstance(value, dict | list))
            for text in (value for value in values if isinstance(value, str)):
                found.update(self.graph.definers.get(text, ()))
                other = f"{text.rpartition('/')[2].removesuffix('.toml')}.toml"
                for path in self.graph.by_name.get(other, ()):
                    if path not in found and path.startswith("zoo/recipes/"):
                        found |= self.named_by(path)
        return found

    @cached_property
    def common(self) -> frozenset[str]:
        """What more than `WIDE` methods need; a teacher does not count, as it is read from the zoo, which knows all."""
        counts = Counter(node for name in self.methods for node in self.method(name, frozenset({REFERENCE})))
        return frozenset(node for node, count in counts.items() if count > WIDE)

    def users(self, node: str) -> frozenset[str]:
        """The methods that a change of a file touches: those that need it; of what nearly all need, those that need it
        by files of their own; none if these are too many as well."""
        if node not in self.common:
            return frozenset(name for name in self.methods if node in self.method_closures[name])
        own = frozenset(name for name in self.methods if node in self.own_closures[name])
        return own if len(own) <= WIDE else frozenset()

    @cached_property
    def method_closures(self) -> dict[str, frozenset[str]]:
        return {name: self.method(name) for name in self.methods}

    @cached_property
    def own_closures(self) -> dict[str, frozenset[str]]:
        return {name: self.method(name, self.common) for name in self.methods}

    @cached_property
    def touched(self) -> frozenset[str]:
        """The methods that the change touches."""
        return frozenset().union(*(self.users(node) for node in self.changed or ()))

    def family(self, name: str) -> str | None:
        """The family of a method: of the table, or by its class where that is registered with one."""
        for family, names in FAMILIES.items():
            if name in names:
                return family
        if name in self.registered:
            paths = {self.registered[name]}
            classes = (node for node in self.graph.tree(self.registered[name]).body if isinstance(node, ast.ClassDef))
            named = {node.name for node in classes}
        else:
            row = self.graph.parts(METHODS)[f"{TABLE}[{name}]"]
            named = {node.attr for node in ast.walk(row) if isinstance(node, ast.Attribute)}
            paths = self.graph.used(row, METHODS)
        for path in paths:
            for node in self.graph.tree(path).body if path.startswith("keras_ssl/objectives/") else ():
                calls = node.decorator_list if isinstance(node, ast.ClassDef) and node.name in named else ()
                for keyword in (each for call in calls if isinstance(call, ast.Call) for each in call.keywords):
                    if keyword.arg == "family" and isinstance(keyword.value, ast.Constant):
                        return str(keyword.value.value)
        return None

    @cached_property
    def representatives(self) -> frozenset[str]:
        """Two methods of each family: those of the table, or the first two."""
        members: dict[str | None, list[str]] = {}
        chosen = [name for names in FAMILIES.values() for name in names if name in self.methods]
        for name in [*chosen, *sorted(set(self.methods) - set(chosen))]:
            members.setdefault(self.family(name), []).append(name)
        return frozenset(name for family, names in members.items() if family for name in names[:2])

    @cached_property
    def test_files(self) -> list[str]:
        return [
            path
            for path in self.graph.files
            if path.startswith("tests/") and path.endswith(".py") and Path(path).name.startswith("test_")
        ]

    def relation(self, path: str) -> str:
        """What the change has to do with a test file; see `Plan`."""
        touching = (self.changed or set()) & self.graph.closure(path)
        if path in touching:
            return "itself"
        return "alone" if touching - self.common else "all" if touching else "none"

    def needs_backend(self, path: str) -> bool:
        """Whether a test computes by Keras, or uses something that does."""
        files = {node.partition("::")[0] for node in self.graph.closure(path)}
        return any(
            not BACKENDS.isdisjoint(self.graph.packages(file))
            for file in files
            if file.endswith(".py") and not file.endswith(("/__init__.py", "/conftest.py"))
        )

    def plan(self, commit: str) -> Plan:
        """What to run, with the share of the rest that it is this commit's turn to run."""
        return Plan(
            commit=commit,
            changed=None if self.changed is None else len({node.partition("::")[0] for node in self.changed}),
            methods=list(self.methods),
            touched=sorted(self.touched),
            representatives=sorted(self.representatives),
            recipes={Path(path).stem: name for path, name in self.recipes.items()},
            files={path: self.relation(path) for path in self.test_files},
            per_method=[path for path in self.test_files if f"{METHODS}::{TABLE}" in self.graph.closure(path)],
            without_backend=[path for path in self.test_files if not self.needs_backend(path)],
            long_methods=int(os.environ.get("GATE_LONG_METHODS", "0")) or None,
        )


def current_plan(root: Path = ROOT) -> Plan:
    """What to run after what changed in the working tree."""
    graph = ImportGraph(root, (METHODS,))
    return Selection(graph, changed_nodes(graph, base_commit(root))).plan(git(root, "rev-parse", "HEAD") or "")
