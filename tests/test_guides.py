"""The Python of every guide runs, block after block, as a reader would paste it."""

import re
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

GUIDES = sorted((Path(__file__).parents[1] / "docs" / "guides").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path):
    return BLOCK.findall(path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="guides are of no backend, and export SavedModels")
@pytest.mark.parametrize("path", [path for path in GUIDES if blocks(path)], ids=lambda path: path.stem)
def test_guide_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    keras.utils.set_random_seed(0)
    names = {"__name__": f"guide_{path.stem}"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, block in enumerate(blocks(path)):
            exec(compile(block, f"{path.name}, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert "print(" not in path.read_text(encoding="utf-8") or printed.strip()
    assert all(np.isfinite(value).all() for value in names.values() if isinstance(value, np.ndarray))


@pytest.mark.once
def test_links_of_guides_lead_somewhere():
    for path in GUIDES:
        for target in re.findall(r"\]\(([a-z_./]+\.md)\)", path.read_text(encoding="utf-8")):
            made = {"methods_table.md", "support.md"}  # written when the site is built
            assert (path.parent / target).exists() or Path(target).name in made, (path.name, target)
