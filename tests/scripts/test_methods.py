"""METHODS.md: what a row says of a method, from figures whose verdict is known."""

import importlib.util
import json
from functools import partial
from pathlib import Path

import pytest
from absl import flags

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "methods.py"


@pytest.fixture
def methods(monkeypatch, tmp_path):
    """The script, with flags of its own and results in a new folder."""
    monkeypatch.setattr(flags, "DEFINE_bool", partial(flags.DEFINE_bool, flag_values=flags.FlagValues()))
    spec = importlib.util.spec_from_file_location("scripts_methods", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PROOFS", tmp_path)
    return module


def result(ours, theirs, lower=False, **more):
    runs = {str(seed): {"ours": a, "theirs": b} for seed, (a, b) in enumerate(zip(ours, theirs, strict=True))}
    head = {"name": "Name", "measure": "accuracy", "method": "ours", "baseline": "theirs", "lower_is_better": lower}
    return {**head, "runs": runs, **more}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([0.92, 0.93, 0.91], [0.90, 0.90, 0.90], "helps"),  # 0.020, two errors are 0.012
        ([0.90, 0.93, 0.92], [0.90, 0.90, 0.90], "above, not clearly"),  # 0.017, two errors are 0.018
        ([0.91, 0.89, 0.90], [0.90, 0.90, 0.90], "no gain at this size"),
        ([0.90, 0.90, 0.90], [0.90, 0.90, 0.90], "no gain at this size"),
        ([0.93, 0.86, 0.90], [0.90, 0.90, 0.90], "no gain at this size"),
        ([0.80, 0.81, 0.79], [0.90, 0.90, 0.90], "hurts at this size"),
        ([0.3, 0.4, 0.5], [0.2, 0.3, 0.4], "helps"),
        ([0.91], [0.90], "above, one seed"),
        ([0.90], [0.90], "not above, one seed"),
        ([0.89], [0.90], "not above, one seed"),
        ([0.95, 0.89], [0.90, 0.90], "above, two seeds"),
        ([0.85, 0.89], [0.90, 0.90], "not above, two seeds"),
    ],
)
def test_the_verdict_of_known_gains(methods, ours, theirs, expected):
    assert methods.verdict(methods.gains(result(ours, theirs))) == expected
    # Where lower is better, the same figures with the other sign say the same.
    turned = result([-value for value in ours], [-value for value in theirs], lower=True)
    assert methods.verdict(methods.gains(turned)) == expected


def test_gains_are_of_the_same_seed(methods):
    """Seeds differ more than settings do: pairs show what two means do not."""
    assert methods.verdict(methods.gains(result([0.52, 0.72, 0.93], [0.50, 0.70, 0.90]))) == "helps"


def test_one_in_eleven_rows_without_effect_is_said_to_help(methods):
    """As METHODS.md says: 1/2 - 1/sqrt(6) = 0.092, Student's t with two degrees of freedom beyond 2."""
    import numpy as np

    drawn = np.random.default_rng(0).normal(size=(3000, 3))
    found = [methods.verdict(list(row)) for row in drawn]
    for kind in ("helps", "hurts at this size"):
        assert found.count(kind) / len(drawn) == pytest.approx(0.5 - 6**-0.5, abs=0.015)


def test_a_row_shows_what_a_file_says(methods, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(result([1.0, 1.0, 1.3], [2.0, 2.1, 2.2], lower=True)))
    assert methods.proofs() == [
        "| one | Name | accuracy (lower is better) | ours | 1.100 ± 0.173 | theirs | 2.100 ± 0.100 | 3 | helps |"
    ]


def test_costs_are_shown_where_they_were_recorded(methods, tmp_path):
    run = {"cpu_s": 90.0, "wall_s": 60.0, "peak_mb": 900, "machine": "a machine"}
    more = {**run, "cpu_s": 150.0, "peak_mb": 901, "settings": {"ours": {"cpu_s": 66.0, "wall_s": 40.0}}}
    files = {
        "old": result([1.0], [2.0]),
        "whole": result([1.0], [2.0], costs={"0": run}),
        "later": result([1.0, 1.0], [2.0, 2.0], costs={"1": more}),  # seed 0 is of before
        "both": result([1.0, 1.0], [2.0, 2.0], costs={"0": run, "1": more}),
    }
    for name, found in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    assert methods.costs() == [
        "| both | 1.10 |  | 2.00 | 1.00 | 900 | 2 |",
        "| later | 1.10 |  | 2.50 | 1.00 | 901 | 1 |",
        "| whole |  |  | 1.50 | 1.00 | 900 | 1 |",
    ]
    assert methods.machines() == "a machine"
    assert len(methods.proofs()) == 4


def test_students_stand_beside_their_teachers(methods, tmp_path):
    found = result([0.9, 0.7, 0.8], [0.5, 0.6, 0.7])
    measured = {"student, parameters": 910.0, "teacher, parameters": 19210.0, "teacher, images/s": 1000.0}
    for seed, speed in (("1", 3000.0), ("2", 5000.0)):  # seed 0 is of before
        found["runs"][seed] |= {**measured, "student, images/s": speed, "teacher": 0.95}
    (tmp_path / "one.json").write_text(json.dumps(found))
    (tmp_path / "two.json").write_text(json.dumps(result([1.0], [1.0])))
    assert methods.students() == [
        "| one | accuracy | 0.750 ± 0.071 | theirs | 0.650 ± 0.071 |  | 0.950 ± 0.000 "
        "| 910 | 19,210 | 4,000 | 1,000 | 2 |"
    ]


def test_measures_of_retrieval_of_both_settings(methods, tmp_path):
    found = result([0.9, 0.8], [0.5, 0.6])
    for setting, value in (("ours", 0.75), ("theirs", 0.25)):  # of seed 1; seed 0 is of before
        found["runs"]["1"] |= {f"{kind}, {setting}": value + k / 10 for k, kind in enumerate(methods.RETRIEVAL)}
    (tmp_path / "one.json").write_text(json.dumps(found))
    (tmp_path / "two.json").write_text(json.dumps(result([1.0], [1.0])))
    assert methods.retrieval() == ["| one | ours | 0.750 | 0.850 | 0.950 | theirs | 0.250 | 0.350 | 0.450 | 1 |"]


def test_no_row_of_methods_md_is_called_unproven():
    rows = (SCRIPT.parent.parent / "METHODS.md").read_text(encoding="utf-8").splitlines()
    assert not [row for row in rows if row.startswith("|") and "unproven" in row]
