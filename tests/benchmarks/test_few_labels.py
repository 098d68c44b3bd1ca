"""The table of few labels: what it runs, that it goes on, and what it writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[2]


@pytest.fixture
def few_labels(script):
    return script("few_labels")


def test_every_method_and_both_baselines_have_a_row(few_labels):
    rows = list(few_labels.plan([40, 100], 2, ["scratch", "self-supervised"]))
    assert len(rows) == len(set(rows)) == 2 * 2 * 2 * (1 + len(few_labels.semi_supervised()))
    names = {name for _, _, name, _ in rows}
    assert {"labels alone", "probe", "FixMatch", "SimMatchV2"} <= names
    assert [seed for seed, *_ in rows] == sorted(seed for seed, *_ in rows)


def test_options_are_arguments_and_sizes_are_given(few_labels):
    kinds = few_labels.semi_supervised()
    assert set(few_labels.OPTIONS) | few_labels.WEAK <= set(kinds)
    assert few_labels.options_of("SimMatchV2", kinds["SimMatchV2"], 40, 1300)["labeled_size"] == 40
    assert few_labels.options_of("FlexMatch", kinds["FlexMatch"], 40, 1300) == {"dataset_size": 1340}


def test_the_table_says_what_was_not_run(few_labels):
    runs = [
        {"row": "FixMatch", "start": "scratch", "labels": 40, "seed": 0, "accuracy": 0.9},
        {"row": "FixMatch", "start": "scratch", "labels": 40, "seed": 1, "accuracy": 0.8},
        {"row": "probe", "start": "self-supervised", "labels": 100, "seed": 0, "accuracy": 0.75},
    ]
    text = few_labels.table({"epochs": 3, "machine": "a machine", "runs": runs})
    assert "| probe | self-supervised | not run | 75.0 (1) |" in text
    assert "| FixMatch | scratch | 85.0 ± 7.1 (2) | not run |" in text
    assert text.index("| probe") < text.index("| FixMatch")


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(tmp_path):
    output = tmp_path / "few.json"

    def run(*more):
        command = [sys.executable, "-m", "benchmarks.few_labels", "--labels=40", "--seeds=1", "--epochs=1"]
        command += [f"--output={output}", "--only=labels alone,probe", *more]
        return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout

    assert "The time is over" in run("--minutes=0")
    assert "labels alone from scratch" in run("--starts=scratch")
    printed = run()
    assert "probe from self-supervised" in printed and "labels alone" not in printed
    rows = json.loads(output.read_text())["runs"]
    assert [row["row"] for row in rows] == ["labels alone", "probe"]
    assert all(0.0 <= row["accuracy"] <= 1.0 for row in rows)
    assert output.with_suffix(".md").read_text().count("(1)") == 2
