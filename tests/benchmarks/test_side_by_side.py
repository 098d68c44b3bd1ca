import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture
def side_by_side():
    return importlib.import_module("side_by_side")


def job(side_by_side, expression, code="import time"):
    options = {"code": code, "expression": expression}
    return side_by_side.Job(Path(sys.executable), "imports:call", options, {})


def test_the_ratio_is_that_of_the_times(side_by_side):
    ours, peer = (job(side_by_side, f"time.sleep({seconds})") for seconds in (0.05, 0.15))
    result = side_by_side.compare(ours, peer, rounds=3)
    assert result.rounds == 3
    assert 1.5 < result.ratio < 4.0  # 3, on a machine that may do other things
    assert result.ours == pytest.approx(20.0, rel=0.5) and result.ours > result.peer


def test_a_comparison_keeps_to_its_time(side_by_side):
    ours = job(side_by_side, "time.sleep(0.3)")
    result = side_by_side.compare(ours, ours, rounds=1000, seconds=4.0)
    assert 1 <= result.rounds < 20


def test_a_job_that_is_not_done_with_a_round_in_its_time_is_ended(side_by_side):
    slow = job(side_by_side, "time.sleep(600)")
    with pytest.raises(TimeoutError, match="imports:call took longer than its"):
        side_by_side.compare(slow, slow, rounds=1, seconds=1.5)


def test_a_job_that_fails_says_why(side_by_side):
    fine, bad = job(side_by_side, "1"), job(side_by_side, "1", code="raise ValueError('no such thing')")
    with pytest.raises(RuntimeError, match="no such thing"):
        side_by_side.compare(fine, bad, rounds=1)
