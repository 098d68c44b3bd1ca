"""The Python of every guide runs, block after block, as a reader would paste it."""

import json
import re
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest

from scripts import notebooks

GUIDES = sorted((Path(__file__).parents[1] / "docs" / "guides").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path):
    return BLOCK.findall(path.read_text(encoding="utf-8"))


@pytest.fixture
def trackers(monkeypatch):
    """Stands for wandb and mlflow, which need accounts and servers: what was logged as (name, value, step)."""
    logged = {"wandb": [], "mlflow": [], "config": [], "finished": []}

    def record(tracker, metrics, step):
        assert type(metrics) is dict and type(step) is int
        assert all(type(value) is float for value in metrics.values()), metrics
        logged[tracker] += [(name, value, step) for name, value in metrics.items()]

    class Run:
        def log(self, metrics, step=None):
            record("wandb", metrics, step)

        def finish(self):
            logged["finished"].append("wandb")

    def init(*, project, config):
        logged["config"].append(config)
        return Run()

    @contextmanager
    def start_run():
        yield
        logged["finished"].append("mlflow")

    wandb, mlflow = ModuleType("wandb"), ModuleType("mlflow")
    wandb.init, mlflow.start_run, mlflow.log_params = init, start_run, logged["config"].append
    mlflow.log_metrics = lambda metrics, step=None: record("mlflow", metrics, step)
    mlflow.log_metric = lambda key, value, step=None: record("mlflow", {key: float(value)}, step)
    for module in (wandb, mlflow):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return logged


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="guides are of no backend, and export SavedModels")
@pytest.mark.parametrize("path", [path for path in GUIDES if blocks(path)], ids=lambda path: path.stem)
def test_guide_runs(path, tmp_path, monkeypatch, capsys, trackers):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {"__name__": f"guide_{path.stem}"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, block in enumerate(blocks(path)):
            exec(compile(block, f"{path.name}, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert "print(" not in path.read_text(encoding="utf-8") or printed.strip()
    if path.stem == "experiment_trackers":
        for tracker in ("wandb", "mlflow"):
            steps = {
                name: [step for found, _, step in trackers[tracker] if found == name]
                for name in ("loss", "knn_accuracy")
            }
            assert steps["loss"][:2] == [0, 1] == steps["knn_accuracy"][:2]
        assert {"method": "SimCLR", "epochs": 2, "batch_size": 64} in trackers["config"]
        assert trackers["finished"] == ["wandb", "mlflow", "mlflow"]
    assert all(np.isfinite(value).all() for value in names.values() if isinstance(value, np.ndarray))


@pytest.mark.once
def test_links_of_guides_lead_somewhere():
    for path in GUIDES:
        for target in re.findall(r"\]\(([a-z_./]+\.md)\)", path.read_text(encoding="utf-8")):
            made = {"methods_table.md", "support.md"}  # written when the site is built
            assert (path.parent / target).exists() or Path(target).name in made, (path.name, target)


@pytest.mark.once
@pytest.mark.parametrize("guide", notebooks.GUIDES)
def test_notebooks_are_those_of_the_guides(guide):
    """Text and code of the guide of today, with outputs: python scripts/notebooks.py makes them anew."""
    assert notebooks.difference(guide) is None


@pytest.mark.once
def test_an_old_notebook_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    (tmp_path / "docs" / "guides").mkdir(parents=True)
    guide = tmp_path / "docs" / "guides" / "a.md"
    guide.write_text("# A\n\n```python\nprint(1 + 1)\n```\n\n[B](b.md)\n")
    assert "no a.ipynb" in notebooks.difference("a")
    made = notebooks.notebook("a", notebooks.outputs(notebooks.code_of("a")))
    assert made["cells"][1]["outputs"][0]["text"] == ["2\n"] and made["cells"][1]["execution_count"] == 1
    assert made["cells"][2]["source"] == ["[B](../guides/b.md)"]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(made))
    assert notebooks.difference("a") is None and notebooks.kept_outputs("a") == ["2\n"]
    made["cells"][1]["outputs"] = []
    path.write_text(json.dumps(made))
    assert "without its output" in notebooks.difference("a")
    guide.write_text(guide.read_text().replace("1 + 1", "1 + 2"))
    assert "has not the text and code" in notebooks.difference("a") and notebooks.kept_outputs("a") is None


def test_of_a_progress_bar_the_last_state_is_shown():
    assert notebooks.settled("\x1b[1m1/2\x1b[0m a\b\b\b\r2/2 b\ndone\n") == "2/2 b\ndone\n"
