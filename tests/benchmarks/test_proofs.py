"""The proofs: what a run costs, and which seeds are run."""

import json
import sys
import time
from types import ModuleType

import pytest

from benchmarks.proofs._shared import Timed, measured

pytestmark = pytest.mark.once


def work(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def run(seed):
    work(0.15)  # of no setting
    found = Timed()
    work(0.2)
    found["ours"] = 0.5 + seed
    work(0.4)
    found |= {"theirs": 1 / 3, "kNN, theirs": 0.2}
    found["at once"] = 1.0
    return found


@pytest.fixture
def proof(monkeypatch):
    """A proof that trains nothing, by the name "fake"."""
    module = ModuleType("benchmarks.proofs.fake", "What it\nshows.")
    module.NAME, module.MEASURE, module.METHOD, module.BASELINE = "Fake", "accuracy", "ours", "theirs"
    module.run = run
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def main(script, monkeypatch):
    """The command, in this process."""
    module = script("benchmarks.proofs.__main__")
    monkeypatch.setattr(module, "apart", measured)
    return module


def test_each_setting_has_its_seconds(proof):
    figures, costs = measured("fake", 2)
    assert figures == {"ours": 2.5, "theirs": 0.3333, "kNN, theirs": 0.2, "at once": 1.0}
    assert set(costs["settings"]) == {"ours", "theirs", "kNN, theirs"}  # what took no time has none
    seconds = {name: spent["cpu_s"] for name, spent in costs["settings"].items()}
    assert 0.2 <= seconds["ours"] < 0.35 and 0.4 <= seconds["theirs"] == seconds["kNN, theirs"] < 0.6
    assert costs["cpu_s"] >= 0.74 and costs["wall_s"] >= costs["cpu_s"] * 0.5
    assert costs["peak_mb"] > 50 and costs["machine"]


def test_time_of_a_figure_that_is_set_twice_adds_up():
    found = Timed()
    for value in (1.0, 2.0):
        work(0.1)
        found["ours"] = value
    assert found == {"ours": 2.0} and found.costs["ours"]["cpu_s"] >= 0.2


def test_a_plain_dict_is_timed_as_a_whole(proof):
    proof.run = lambda seed: dict(run(seed))
    _, costs = measured("fake", 0)
    assert costs["cpu_s"] >= 0.74 and "settings" not in costs


def test_seeds_that_are_there_are_kept_unless_told(proof, main, tmp_path):
    old = {"runs": {"0": {"ours": 9.0, "theirs": 1.0}}}  # of before costs were recorded
    (tmp_path / "fake.json").write_text(json.dumps(old))
    found = main.prove("fake", tmp_path, 2)
    assert found == json.loads((tmp_path / "fake.json").read_text())
    assert found["runs"]["0"] == old["runs"]["0"] and found["runs"]["1"]["ours"] == 1.5
    assert list(found["costs"]) == ["1"] and found["what"] == "What it shows."
    found = main.prove("fake", tmp_path, 1, again=True)
    assert [found["runs"][seed]["ours"] for seed in ("0", "1")] == [0.5, 1.5]
    assert set(found["costs"]) == {"0", "1"}


def test_figures_that_only_some_seeds_have_are_printed(proof, script, monkeypatch, tmp_path, capsys):
    (tmp_path / "fake.json").write_text(json.dumps({"runs": {"0": {"ours": 9.0, "theirs": 1.0}}}))
    module = script("benchmarks.proofs.__main__", "--only=fake", "--seeds=2", f"--output={tmp_path}")
    monkeypatch.setattr(module, "apart", measured)
    module.main([])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["ours", "5.2500", "±", "5.3033"] in lines and ["at", "once", "1.0000", "±", "0.0000"] in lines


@pytest.mark.slow
def test_every_seed_runs_in_a_process_of_its_own(script, tmp_path):
    module = script("benchmarks.proofs.__main__")
    first, second = (module.apart("normalized_logistic_gd", 0) for _ in range(2))
    assert first[0] == second[0] and set(first[0]) == {"normalized", "plain"}
    # The second does not start from the memory that the first had.
    assert second[1]["peak_mb"] == pytest.approx(first[1]["peak_mb"], rel=0.2)
    kept = json.loads((module.ROOT / "benchmarks/results/proofs/normalized_logistic_gd.json").read_text())
    assert first[0] == kept["runs"]["0"]


@pytest.mark.parametrize("name", ["KnowledgeDistillation", "DualHeadOptimization"])
def test_sizes_and_speeds_are_of_what_is_used(name, monkeypatch):
    """The student is encoder and classifier, as `predict` asks them; a slower network has fewer images per second."""
    import keras
    import numpy as np

    import keras_ssl
    from benchmarks.proofs import _distilled

    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1)).astype("uint8")
    wide = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model = getattr(keras_ssl, name)(_distilled.network(12), 10, teacher=wide, views=[keras_ssl.views.Identity()])
    used = _distilled.as_used(model)
    inputs = keras.ops.convert_to_numpy(model.preprocessing(x))
    np.testing.assert_allclose(used.predict(inputs, verbose=0), model.predict(x, verbose=0), atol=1e-5)

    slow = keras.Sequential([keras.Input((64,)), keras.layers.Dense(2048, "relu"), keras.layers.Dense(2048)])
    found = _distilled.sizes_and_speeds(used, slow, x, batch=256)
    heads = {"KnowledgeDistillation": 1, "DualHeadOptimization": 2}[name]
    assert found["student, parameters"] == 65 * 12 + heads * 13 * 10
    assert found["teacher, parameters"] == 65 * 2048 + 2049 * 2048
    assert found["student, images/s"] > 2 * found["teacher, images/s"] > 0


def test_speeds_of_encoders_of_any_image_size():
    import numpy as np

    import keras_ssl
    from benchmarks.proofs import _distilled

    encoders = [keras_ssl.encoders.ConvNet(widths) for widths in ((4, 8), (16, 64))]
    found = _distilled.sizes_and_speeds(*encoders, np.zeros((4, 8, 8, 3), "uint8"), batch=16)
    assert 0 < found["student, parameters"] < found["teacher, parameters"]
    assert min(found.values()) > 0
