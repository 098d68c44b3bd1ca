"""The table of choices: its data, what it runs, what it writes, and what `pretrain` reads of it."""

import json

import numpy as np
import pytest

from benchmarks._choices_data import SETS, SHAPES

pytestmark = pytest.mark.once


@pytest.fixture
def choices(script):
    return script("choices")


@pytest.mark.parametrize("name", SETS)
def test_sets_follow_from_their_seed_and_have_all_classes_in_both_parts(name):
    x, y, x_test, y_test = SETS[name](300, 200, 0)
    assert x.dtype == x_test.dtype == np.uint8 and x.shape[1:] == x_test.shape[1:] and len(x) == 300
    assert set(y.tolist()) == set(y_test.tolist()) == set(range(len(set(y.tolist()))))
    for mine, again in zip((x, y, x_test, y_test), SETS[name](300, 200, 0), strict=True):
        np.testing.assert_array_equal(mine, again)
    assert (SETS[name](300, 200, 1)[0] != x).any()
    images = {image.tobytes() for image in x}
    assert not images & {image.tobytes() for image in x_test}


def test_shapes_differ_by_more_than_their_paint():
    x, y, *_ = SETS["shapes"](400, 1, 0)
    # The share of the ground, the color of most of the border: small shapes cover little.
    border = np.median(np.concatenate([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], axis=1), axis=1)
    covered = (np.abs(x - border[:, None, None]).sum(axis=3) > 120).mean(axis=(1, 2))
    means = {shape: covered[y == kind].mean() for kind, shape in enumerate(SHAPES)}
    assert means["bar"] < means["frame"] < means["disk"] and min(means.values()) > 0.01


def run(settings="for_data", data="digits", images=300, seed=0, knn=0.5, updates=10):
    figures = {"knn": knn, "untrained": 0.1, "cpu_minutes": 1.0, "updates": updates, "planned": 10}
    return {"set": data, "images": images, "settings": settings, "seed": seed, **figures}


def test_every_run_is_planned_once_and_seeds_come_last(choices):
    runs = list(choices.plan(["A", "B"], ["digits", "tiles"], [300], ["for_data", "defaults"], 2))
    keys = [(item["method"], *choices.key_of(item)) for item in runs]
    assert len(set(keys)) == len(keys) == 2 * 2 * 2 * 2
    assert [item["seed"] for item in runs] == [0] * 8 + [1] * 8


def test_the_table_says_what_was_not_run_and_what_was_cut(choices):
    methods = {"A": [run(knn=0.25), run(seed=1, knn=0.35), run("defaults", knn=0.2, updates=3)], "B": [run()]}
    text = choices.table({"updates": 10, "machine": "a machine", "methods": methods})
    assert "| A | digits | 10.0 ± 0.0 (2) | 20.0, 30% of the updates | 30.0 ± 7.1 (2) |" in text
    assert "| B | digits | 10.0 | not run | 50.0 |" in text and "What `pretrain` takes" not in text


def test_the_best_is_measured_on_all_sets(choices):
    everywhere = [run(data=data, knn=value) for data, value in zip(SETS, (0.2, 0.4, 0.6), strict=True)]
    methods = {
        "A": everywhere,
        "B": [run(knn=0.9)],
        "C": [dict(item, settings="defaults", knn=1.0) for item in everywhere],
    }
    assert choices.best_rows({"methods": methods}) == [{"images": 300, "method": "A", "knn": 0.4}]


def test_the_published_file_is_that_of_the_results(choices):
    results = json.loads((choices.ROOT / "results" / "choices.json").read_text(encoding="utf-8"))
    assert json.loads(choices.BEST.read_text(encoding="utf-8"))["rows"] == choices.best_rows(results)
    assert (choices.ROOT / "results" / "choices.md").read_text(encoding="utf-8") == choices.table(results)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "settings"), [("SimCLR", "for_data"), ("SimCLR", "defaults"), ("MAE", "for_data")])
def test_a_run_is_stopped_when_its_time_is_over(choices, method, settings):
    wanted = {"method": method, "set": "digits", "images": 300, "settings": settings, "seed": 0}
    found = choices.measured(wanted, updates=40, most_minutes=0.0)
    assert found["updates"] == 1 and found["planned"] == 40 and 0 <= found["knn"] <= 1
    assert {key: found[key] for key in wanted} == wanted
