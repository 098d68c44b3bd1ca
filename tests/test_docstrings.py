"""The examples in the docstrings, of all of the library."""

import ast
import doctest
import importlib
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_ssl

ROOT = Path(keras_ssl.__file__).parent
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def documented():
    """Every docstring with an example: where it stands, and its text."""
    for path in sorted(ROOT.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if ">>>" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if ">>>" in text:
                    yield pytest.param(
                        path, getattr(node, "name", ""), text, id=f"{path.relative_to(ROOT)}:{title(node)}"
                    )


def title(node):
    return getattr(node, "name", "module")


@pytest.mark.once
@pytest.mark.parametrize(("path", "name", "text"), list(documented()))
def test_example(path, name, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    # The package's other names too: an example shows how they work together.
    package = importlib.import_module(module.__name__ if path.name == "__init__.py" else module.__package__)
    names = {each: getattr(package, each) for each in getattr(package, "__all__", ())}
    names |= {"keras_ssl": keras_ssl, "keras": keras, "np": np} | vars(module)
    example = doctest.DocTestParser().get_doctest(text, names, name, str(path), 0)
    said = []
    assert doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append).failed == 0, "".join(said)
