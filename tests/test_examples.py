"""Every example runs, at small size, in a folder of its own."""

import runpy
import sys
from pathlib import Path

import keras
import pytest

import keras_ssl
from tests.objectives.tiny import OBJECTIVES

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
KINDS = ("barlow_twins", "byol", "moco", "simclr", "swav")  # the others are `long`: they take six minutes together


def test_examples_are_named_after_methods():
    assert {path.stem for path in EXAMPLES} <= set(OBJECTIVES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="examples choose no backend; one run is enough")
@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=() if p.stem in KINDS else pytest.mark.long) for p in EXAMPLES]
)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    # In this process: to import TensorFlow takes longer than most of them, and so does XLA over views of a few steps,
    # which the tests of scripts/pretrain.py compile.
    monkeypatch.setattr(keras_ssl.views.View, "supports_jit", False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "--small"])
    runpy.run_path(str(path), run_name="__main__")
    assert "kNN accuracy" in capsys.readouterr().out
    keras.backend.clear_session()
