"""`keras-ssl evaluate --against`, from the command line."""

import json

import pytest

from tests.cli.test_run import keras_ssl_command

pytestmark = [pytest.mark.once, pytest.mark.slow]


def test_a_table_with_new_weights_and_another_entry(tmp_path):
    line = ["evaluate", "--model=barlow_digits", "--data=colored_digits", "--protocols=nearest_mean"]
    more = ["--against=scratch,untrained", "--fraction=0.02", "--seeds=2", "--epochs=1", "--output=out.json"]
    done = keras_ssl_command(*line, *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "retracing" not in done.stderr
    rows = {row["name"]: row for row in json.loads((tmp_path / "out.json").read_text())["against"]}
    assert list(rows) == ["untrained", "scratch", "barlow_digits"]
    assert len(rows["barlow_digits"]["head"]) == len(rows["scratch"]["finetuned"]) == 2
    assert min(rows["barlow_digits"]["head"]) > max(rows["untrained"]["head"])
    table = [text for text in done.stdout.splitlines() if text.startswith(("| untrained", "| scratch", "| barlow"))]
    assert len(table) == 4 and all(" ± " in text for text in table[1:])
    wrong = keras_ssl_command(*line, "--against=barlow_digit", cwd=tmp_path)
    assert wrong.returncode == 1 and "Closest: barlow_digits" in wrong.stderr
