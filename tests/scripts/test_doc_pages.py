"""The pages that are written while the documentation is built: what they take of METHODS.md and of the proofs."""

import ast
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "doc_pages.py"


@pytest.fixture
def pages(monkeypatch):
    """The script's functions, without its last line, which writes all pages."""
    monkeypatch.setitem(sys.modules, "mkdocs_gen_files", ModuleType("mkdocs_gen_files"))
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    assert ast.unparse(tree.body.pop()) == "build()"
    names = {"__file__": str(SCRIPT)}
    exec(compile(tree, SCRIPT, "exec"), names)  # noqa: S102
    return SimpleNamespace(**names)


@pytest.mark.parametrize(("name", "recipes"), [("SupCon", ["sup_con"]), ("MoCo", ["moco", "mocov3"]), ("Hydra", [])])
def test_a_page_shows_rows_of_the_table_of_recipes_alone(pages, name, recipes):
    """Other tables name the same methods, in other columns."""
    lines = pages.measured_row(name).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {recipe}" for recipe in recipes]
    assert len({line.count("|") for line in lines}) == (1 if recipes else 0)


def test_figures_that_some_seeds_lack_are_left_out(pages):
    runs = {"0": {"ours": 0.5, "new": 1.0}, "1": {"ours": 0.25}}
    text = pages.method_page("Hydra", "keras_ssl", [], [{"what": "What.", "measure": "accuracy", "runs": runs}])
    assert "What. (accuracy, mean of 2 seeds)\n\nours: 0.375\n" in text
