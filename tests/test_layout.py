"""The layout shows the architecture: imports run downward, files stay small, the public names are exported."""

import ast
from pathlib import Path

import pytest

import keras_ssl

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent / "keras_ssl"
LAYERS = (
    {"command_list", "keras_backend"},
    {"typing", "messages", "paths", "exports", "quiet_start", "check_number"},
    {"regular_file", "registry"},
    {"random", "precision", "checkpoints"},
    {"losses", "check_numbers"},
    {"schedules"},
    {"layers"},
    {"encoders", "views", "optimizers"},
    {"data", "interop"},
    {"training"},
    {"weights"},
    {"objectives", "adaptation", "attacks", "merging"},
    {"hub"},
    {"evaluation"},
    {"callbacks", "testing"},
    {"report"},
    {"workflows"},
    {"cli"},
)
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem not in ("__init__", "__main__"))


def part(path):
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "keras_ssl":
            below = node.module.split(".")[1:]
            yield from below[:1] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("keras_ssl."):
                    yield alias.name.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward(path):
    here = part(path)
    upward = {name for name in imported(path) if name in HEIGHT and name != here and HEIGHT[name] >= HEIGHT[here]}
    assert not upward


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600


def test_every_exported_name_exists():
    for name in keras_ssl.__all__:
        assert hasattr(keras_ssl, name)
