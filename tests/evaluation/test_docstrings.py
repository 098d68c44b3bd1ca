"""What is public has an example in its docstring; tests/test_docstrings.py runs it."""

import pytest

from keras_ssl import evaluation

# What functions return, which their examples show; and what needs runs on a disk.
_WITHOUT = ("FewShotAccuracy", "FinetuneAccuracy", "LinearProbeGrid", "RankedCheckpoint", "rank_checkpoints")


@pytest.mark.parametrize("name", [name for name in evaluation.__all__ if name not in _WITHOUT])
def test_has_an_example(name):
    assert ">>>" in getattr(evaluation, name).__doc__
