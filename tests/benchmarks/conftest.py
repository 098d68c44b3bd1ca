"""The benchmarks are scripts: they import one another from their own folder, and each defines its flags."""

import importlib
import sys
from functools import partial
from pathlib import Path

import pytest
from absl import flags

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def scripts_folder(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER / "workers"))
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def script(monkeypatch):
    """Imports a script with flags of its own, as several give theirs the same names."""

    def load(name, *arguments):
        values = flags.FlagValues()
        with monkeypatch.context() as patch:
            for kind in ("string", "integer", "float", "bool", "list", "enum"):
                name_of = f"DEFINE_{kind}"
                patch.setattr(flags, name_of, partial(getattr(flags, name_of), flag_values=values))
            sys.modules.pop(name, None)
            module = importlib.import_module(name)
        values([name, *arguments])
        return module

    return load
