import importlib
import subprocess
from types import SimpleNamespace

import pytest


@pytest.fixture
def environments(monkeypatch, tmp_path):
    module = importlib.import_module("environments")
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    monkeypatch.setattr(module, "_failed", {})
    return module


def test_a_case_that_fails_fills_its_row_and_no_more(script):
    bench = script("bench")

    def fails(seconds):
        raise RuntimeError("a traceback\nValueError: no | such thing")

    (row,) = bench.measured(bench.Entry("a case", 1.5, 1.0, None, fails), 1.0)
    assert row.cells() == ["a case", "", "", "", "1.5", "not measured: ValueError: no | such thing"]
    line = next(line for line in bench.table([row], 60.0).splitlines() if "a case" in line)
    assert line.replace("\\|", "").count("|") == 7  # the bar in the text does not end a cell


def test_met_says_whether_the_ratio_reaches_the_target(script):
    bench = script("bench")
    assert bench.Row("c", "2 /s", "1 /s", 2.0, 2.0).cells()[-1] == "yes"
    assert bench.Row("c", "2 /s", "1 /s", 1.99, 2.0).cells()[-1] == "no"


def test_the_cases_together_take_no_more_than_half_an_hour(script):
    entries = script("bench").entries()
    assert sum(entry.seconds for entry in entries) <= 30 * 60
    assert len({entry.name for entry in entries}) == len(entries)
    assert {"lightly", "solo_learn", "stable_pretraining", "tensorflow_similarity"} <= {e.peer for e in entries}


def test_a_case_may_use_the_time_that_those_before_it_left(script, tmp_path, monkeypatch):
    bench = script("bench", f"--output={tmp_path / 'table.md'}", "--minutes=1")
    given = []

    def entry(name):
        return bench.Entry(name, 1.0, 30.0, None, lambda seconds: given.append(seconds) or [bench.Row(name)])

    monkeypatch.setattr(bench, "entries", lambda: [entry("one"), entry("two")])
    bench.main([])
    assert given[0] == pytest.approx(30.0, abs=2.0) and given[1] == pytest.approx(60.0, abs=2.0)
    assert "| two |" in (tmp_path / "table.md").read_text()


def test_cases_measured_again_replace_their_rows_and_leave_the_others(script, tmp_path, monkeypatch):
    def run(values, *flags):
        bench = script("bench", f"--output={tmp_path / 'table.md'}", *flags)
        rows = [bench.Row(name, "a", "b", value) for name, value in values.items()]
        entries = [bench.Entry(row.case, 1.0, 30.0, None, lambda _, row=row: [row]) for row in rows]
        monkeypatch.setattr(bench, "entries", lambda: entries)
        bench.main([])

    run({"one": 1.0, "two": 2.0})
    run({"one": 9.0, "two": 4.0, "three": 3.0}, "--only=two|three")
    *_, one, two, three, _, again = (tmp_path / "table.md").read_text().splitlines()
    assert one == "| one | a | b | 1.00 | 1 | yes |" and two == "| two | a | b | 4.00 | 1 | yes |"
    assert three == "| three | a | b | 3.00 | 1 | yes |"
    assert again == "Measured again, in 0 minutes: the rows of `python benchmarks/bench.py --only='two|three'`."


def test_a_peer_that_cannot_be_installed_says_why_and_is_tried_once(script, environments, monkeypatch):
    runs = []

    def run(command, **options):
        runs.append(command)
        pip = "pip" in command
        error = "Collecting torch\nERROR: No matching distribution found for torch\nnotice: a new pip"
        return SimpleNamespace(returncode=int(pip), stderr=error if pip else "", stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        with pytest.raises(environments.Unavailable, match="^not installable: ERROR: No matching distribution"):
            environments.python_of("solo_learn")
    assert len(runs) == 2  # the environment, and pip


def test_an_environment_is_made_once_and_again_when_what_it_needs_has_changed(environments, monkeypatch):
    runs = []

    def run(command, **options):
        runs.append(command)
        (environments._FOLDER / "solo_learn").mkdir(exist_ok=True)
        return SimpleNamespace(returncode=0, stderr="", stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    environments.python_of("solo_learn")
    made = len(runs)
    environments.python_of("solo_learn")
    assert len(runs) == made == 1 + len(environments._STEPS["solo_learn"])
    monkeypatch.setitem(environments._STEPS, "solo_learn", [["torch"]])
    environments.python_of("solo_learn")
    assert len(runs) == made + 2
