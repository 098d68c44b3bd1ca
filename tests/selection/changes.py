"""What changed since the commit that the work starts from."""

import ast
import os
import subprocess
from pathlib import Path

from tests.selection.import_graph import ImportGraph


def git(root: Path, *arguments: str) -> str | None:
    """What git says, or None where it cannot: no repository, no such commit, no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8")
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def base_commit(root: Path) -> str | None:
    """`GATE_BASE`, or where this branch left origin/main, or the commit before; None where a clone has none of them."""
    if os.environ.get("GATE_BASE"):
        found = git(root, "rev-parse", "--verify", "--quiet", os.environ["GATE_BASE"] + "^{commit}")
        if found is None:
            raise ValueError(f"`GATE_BASE` must name a commit. Received: GATE_BASE={os.environ['GATE_BASE']!r}")
        return found.strip()
    head = git(root, "rev-parse", "HEAD")
    left = git(root, "merge-base", "origin/main", "HEAD")
    if left is None or left == head:
        left = git(root, "rev-parse", "--verify", "--quiet", "HEAD~1^{commit}")
    return left and left.strip()


def changed_files(root: Path, base: str) -> set[str] | None:
    """Paths that differ from those of the commit `base`, or are new; None where git cannot tell."""
    names = git(root, "diff", "--name-only", "--no-renames", "-z", base)
    new = git(root, "ls-files", "--others", "--exclude-standard", "-z")
    if names is None or new is None:
        return None
    return {name for name in (names + new).split("\0") if name}


def changed_parts(graph: ImportGraph, path: str, before: str | None) -> set[str]:
    """The top-level names and rows of a table that differ from the file's text `before`; all where that is unknown."""
    now = {name: ast.dump(node) for name, node in graph.parts(path).items()}
    try:
        tree = ast.parse(before or "")
    except SyntaxError:
        tree = ast.parse("")
    imports = [
        [ast.dump(node) for node in each.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        for each in (tree, graph.tree(path))
    ]
    earlier = ImportGraph(graph.root, graph.tables, sources={path: before or ""})
    then = {name: ast.dump(node) for name, node in earlier.parts(path).items()} if imports[0] == imports[1] else {}
    return {f"{path}::{name}" for name in now.keys() | then.keys() if now.get(name) != then.get(name)}


def changed_nodes(graph: ImportGraph, base: str | None) -> set[str] | None:
    """What of the graph changed; None where that is unknown."""
    paths = None if base is None else changed_files(graph.root, base)
    if paths is None:
        return None
    nodes = set(paths)
    for path in paths:
        if path not in graph.files:  # deleted: who used it stands near it, as a rule
            folder = path.rpartition("/")[0]
            nodes.update(file for file in graph.files if file.rpartition("/")[0] == folder)
        elif path in graph.tables:
            nodes |= changed_parts(graph, path, git(graph.root, "show", f"{base}:{path}"))
    return nodes
