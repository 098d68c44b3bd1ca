"""Every example runs, at small size, in a folder of its own."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_ssl
from tests.objectives.tiny import OBJECTIVES

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def names_used(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_every_objective_has_an_example():
    shown = set().union(*(names_used(path) for path in EXAMPLES))
    assert {type(make()).__name__ for make in OBJECTIVES.values()} <= shown


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="examples choose no backend; one run is enough")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(keras_ssl.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, str(path), "--small"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "kNN accuracy" in done.stdout
