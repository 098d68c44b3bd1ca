"""What each file needs, read from its source: nothing is imported."""

import ast
import os
import re
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A string that is one of these, or a file's name, is taken for a path: tests read documents and start scripts by it.
NAMED_FOLDERS = ("benchmarks", "docs", "examples", "saved_models", "scripts", "zoo")
# The library reads these folders by one function.
DATA_OF = {"keras_ssl/hub/catalogue.py": ("zoo/", "saved_models/")}
GENERATED = ("__pycache__", "build", "dist", "runs", "keras_ssl.egg-info")
EVERYTHING = ("pyproject.toml", "setup.py")
IMPORT_IN_TEXT = r"\bfrom (keras_ssl[\w.]*) import ([\w, ]+)"
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class ImportGraph:
    """Files are named by their path below `root`; one top-level name of a file, or one row of a table in it, is
    `path::name` or `path::name[row]`.

    Args:
        root: folder of the repository.
        tables: files that are looked at name by name, because every new method adds a row to a table of theirs.
        sources: text of the files by path, in the place of all that lie in `root`.
    """

    def __init__(self, root: Path = ROOT, tables: tuple[str, ...] = (), sources: dict[str, str] | None = None):
        self.root = root
        self.tables = tables
        self.sources = dict(sources or {})
        self.files = sorted(self._found() if sources is None else sources)
        self.modules = {dotted(path): path for path in self.files if path.endswith(".py")}
        self._uses: dict[str, tuple[set[str], set[str]]] = {}

    def _found(self) -> Iterator[str]:
        """What git may hold; it is not asked, because an export of the source has none."""
        for folder, below, names in os.walk(self.root):
            below[:] = [name for name in below if not name.startswith(".") and name not in GENERATED]
            for name in names:
                yield Path(folder, name).relative_to(self.root).as_posix()

    def source(self, path: str) -> str:
        if path not in self.sources:
            self.sources[path] = (self.root / path).read_text(encoding="utf-8")
        return self.sources[path]

    @cache  # noqa: B019 (a graph lives as long as the process)
    def tree(self, path: str) -> ast.Module:
        return ast.parse(self.source(path))

    @cache  # noqa: B019
    def walked(self, path: str) -> list[ast.AST]:
        """Every piece of a file: three things ask for them."""
        return list(ast.walk(self.tree(path)))

    @cache  # noqa: B019
    def packages(self, path: str) -> frozenset[str]:
        """The outermost packages that a file imports."""
        imports = (node for node in self.walked(path) if isinstance(node, ast.Import | ast.ImportFrom))
        names = (
            absolute(node, path) if isinstance(node, ast.ImportFrom) else alias.name
            for node in imports
            for alias in node.names
        )
        return frozenset(name.partition(".")[0] for name in names)

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Files by the last part of their path."""
        names: dict[str, list[str]] = {}
        for path in self.files:
            names.setdefault(path.rpartition("/")[2], []).append(path)
        return names

    @cached_property
    def definers(self) -> dict[str, list[str]]:
        """The library's files by the names that they define."""
        found: dict[str, list[str]] = {}
        for path in self.modules.values():
            if path.startswith("keras_ssl/"):
                for name in names_defined(self.tree(path)):
                    found.setdefault(name, []).append(path)
        return found

    def below(self, package: str) -> list[str]:
        """Every module of a package."""
        folder = package.replace(".", "/") + "/"
        return [path for path in self.modules.values() if path.startswith(folder)]

    def is_package(self, module: str) -> bool:
        return self.modules.get(module, "").endswith("/__init__.py")

    def resolve(self, package: str, name: str, seen: tuple[str, ...] = ()) -> set[str]:
        """The files that define what a package exports as `name`; the whole package where that cannot be told."""
        path = self.modules[package]
        found = set()
        if (package, name) not in seen:
            for node in self.walked(path):
                if isinstance(node, ast.ImportFrom):
                    module = absolute(node, path)
                    for alias in node.names:
                        if (alias.asname or alias.name) == name and module in self.modules:
                            here = (*seen, (package, name))
                            found |= (
                                self.resolve(module, alias.name, here)
                                if self.is_package(module)
                                else {self.modules[module]}
                            )
        if f"{package}.{name}" in self.modules and not self.is_package(f"{package}.{name}"):
            found.add(self.modules[f"{package}.{name}"])
        if not found and name in names_defined(self.tree(path)):
            found.add(path)
        if not found:
            inside = package.replace(".", "/") + "/"
            found.update(path for path in self.definers.get(name, ()) if path.startswith(inside))
        return found or set(self.below(package))

    def chain(self, package: str, names: list[str]) -> set[str]:
        """The files behind `package.name.name`."""
        for name in names:
            if not self.is_package(f"{package}.{name}"):
                return self.resolve(package, name)
            package = f"{package}.{name}"
        return set(self.below(package))

    def bindings(self, path: str) -> tuple[dict[str, str], dict[str, set[str]], set[str]]:
        """What imports give names to: packages by name, files by name; and files imported without one."""
        packages: dict[str, str] = {}
        files: dict[str, set[str]] = {}
        unnamed: set[str] = set()
        for node in self.walked(path):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    module = alias.name if alias.asname else alias.name.partition(".")[0]
                    if self.is_package(module):
                        packages[alias.asname or module] = module
                    if alias.name in self.modules and not self.is_package(alias.name):
                        unnamed.add(self.modules[alias.name])
            elif isinstance(node, ast.ImportFrom):
                module = absolute(node, path)
                if module not in self.modules:
                    continue
                for alias in node.names:
                    local, whole = alias.asname or alias.name, f"{module}.{alias.name}"
                    if self.is_package(whole):
                        packages[local] = whole
                    elif whole in self.modules:
                        files[local] = {self.modules[whole]}
                    elif self.is_package(module):
                        files[local] = self.resolve(module, alias.name)
                    elif self.modules[module] in self.tables:
                        files[local] = {f"{self.modules[module]}::{alias.name}"}
                    else:
                        files[local] = {self.modules[module]}
        return packages, files, unnamed

    @cache  # noqa: B019
    def bound(self, path: str) -> tuple[dict[str, str], dict[str, set[str]], set[str]]:
        return self.bindings(path)

    def parts(self, path: str) -> dict[str, ast.AST]:
        """The top-level names of a table's file, and the rows of its dicts."""
        found: dict[str, ast.AST] = {}
        for node in self.tree(path).body:
            for name in names_defined(ast.Module([node], [])):
                found[name] = node
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                    for key, value in zip(node.value.keys, node.value.values, strict=True):
                        if isinstance(key, ast.Constant):
                            found[f"{name}[{key.value}]"] = value
        return found

    def used(self, tree: ast.AST, path: str) -> set[str]:
        """The files that a piece of the file `path` needs."""
        packages, files, _ = self.bound(path)
        own = self.parts(path) if path in self.tables else {}
        found: set[str] = set()
        pieces = self.walked(path) if isinstance(tree, ast.Module) else list(ast.walk(tree))
        handled: set[int] = set()
        for node in pieces:
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
                rows = {target for target in files.get(node.value.id, ()) if "::" in target}
                if rows and isinstance(node.slice, ast.Constant):  # one row of a table
                    handled.add(id(node.value))
                    found.update(f"{row}[{node.slice.value}]" for row in rows)
            elif isinstance(node, ast.Attribute):
                names, inner = [node.attr], node.value
                while isinstance(inner, ast.Attribute):
                    names, inner = [inner.attr, *names], inner.value
                if isinstance(inner, ast.Name) and inner.id in packages and id(inner) not in handled:
                    handled.add(id(inner))
                    found |= self.chain(packages[inner.id], names)
            elif isinstance(node, ast.Name) and id(node) not in handled:
                found |= files.get(node.id, set())
                if node.id in packages:
                    found.update(self.below(packages[node.id]))
                if node.id in own and own[node.id] is not tree:
                    found.add(f"{path}::{node.id}")
            elif isinstance(node, ast.Call) and path.startswith("keras_ssl/"):
                function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if function in ("import_module", "__import__"):
                    found |= self.mentioned(" ".join(strings(list(ast.walk(node)))))
        if not path.startswith(("keras_ssl/", "tests/selection/")):
            for text in strings(pieces):
                found |= self.mentioned(text)
        return found

    def mentioned(self, text: str) -> set[str]:
        """The files that a string names: as a module, in a program to be run, or as a path."""
        found: set[str] = set()
        for module, names in re.findall(IMPORT_IN_TEXT, text):
            if self.is_package(module):
                found.update(*(self.chain(module, [name]) for name in re.findall(r"\w+", names)))
            elif module in self.modules:
                found.add(self.modules[module])
        for names in re.findall(r"\bkeras_ssl((?:\.\w+)*)\b(?!/)", re.sub(IMPORT_IN_TEXT, "", text)):
            found |= self.chain("keras_ssl", names.split(".")[1:])
        if text.strip("/") in NAMED_FOLDERS:
            found.update(path for path in self.files if path.startswith(f"{text.strip('/')}/"))
        for word in re.findall(r"[\w.-]+\.\w+", text):
            found.update(self.by_name.get(word, ()))
        return found

    def uses(self, node: str) -> tuple[set[str], set[str]]:
        """What a file or a piece of one needs: files whose own needs count too, and files that end there."""
        if node not in self._uses:
            path, _, part = node.partition("::")
            if not path.endswith(".py"):
                self._uses[node] = (set(), set())
                return self._uses[node]
            packages_above = {f"{'/'.join(path.split('/')[:n])}/__init__.py" for n in range(1, path.count("/") + 1)}
            ends = {other for other in packages_above if other in self.files} - {path}
            ends.update(file for file in self.files if file.startswith(DATA_OF.get(path, ("\0",))))
            if part:
                tree = self.parts(path).get(part)
                found = self.used(tree, path) if tree is not None else {path}
                if "[" in part and tree is None:  # a row that is not written out
                    found = {f"{path}::{part.partition('[')[0]}"}
                found.discard(node)
            else:
                found = self.used(self.tree(path), path) | self.bound(path)[2]
                for names in self.bound(path)[1].values():  # imported, if only for others to import
                    found |= {name for name in names if "::" not in name}
                found |= self.data_beside(path)
                if path.startswith("tests/"):
                    above = {f"{other.rpartition('/')[0]}/conftest.py" for other in packages_above}
                    found |= {other for other in above if other in self.files}
            self._uses[node] = (found - {node}, ends)
        return self._uses[node]

    @cache  # noqa: B019
    def data_in(self, folder: str) -> frozenset[str]:
        """Files in a folder that are no modules, and those of folders below it without any module."""
        inside = [path for path in self.files if path.startswith(f"{folder}/")]
        with_modules = {path.rpartition("/")[0] for path in inside if path.endswith(".py")} - {folder}
        return frozenset(
            path
            for path in inside
            if not path.endswith(".py") and not any(path.startswith(f"{other}/") for other in with_modules)
        )

    def data_beside(self, path: str) -> set[str]:
        folder = path.rpartition("/")[0]
        return set(self.data_in(folder)) if path.startswith(("keras_ssl/", "tests/")) else set()

    @cache  # noqa: B019
    def closure(self, node: str, without: frozenset[str] = frozenset()) -> frozenset[str]:
        """All that a file needs, itself included; not what it needs by the files `without` alone."""
        found, ends, ahead = {node}, set(EVERYTHING), [node] if node not in without else []
        while ahead:
            more, last = self.uses(ahead.pop())
            ends |= last
            ahead.extend(more - found - without)
            found |= more
        return frozenset(found | ends)


def absolute(node: ast.ImportFrom, path: str) -> str:
    """The module that `from ... import` names."""
    if not node.level:
        return node.module or ""
    above = path.split("/")[: -node.level]
    return ".".join([*above, *([node.module] if node.module else [])])


def names_defined(tree: ast.Module) -> set[str]:
    """What the statements of a module define at its top level."""
    names = {node.name for node in tree.body if isinstance(node, DEFINITIONS)}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def strings(pieces: list[ast.AST]) -> list[str]:
    """The strings in a program that are no documentation."""
    documentation = {
        id(node.body[0].value)
        for node in pieces
        if isinstance(node, (*DEFINITIONS, ast.Module)) and node.body and isinstance(node.body[0], ast.Expr)
    }
    constants = (node for node in pieces if isinstance(node, ast.Constant) and id(node) not in documentation)
    return [node.value for node in constants if isinstance(node.value, str)]
