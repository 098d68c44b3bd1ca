"""The examples in the docstrings of what is public."""

import doctest

import keras
import numpy as np
import pytest

from keras_ssl import evaluation

# What functions return, which their examples show; and what needs runs on a disk.
_WITHOUT = ("FewShotAccuracy", "FinetuneAccuracy", "LinearProbeGrid", "RankedCheckpoint", "rank_checkpoints")


@pytest.mark.parametrize("name", evaluation.__all__)
def test_example(name):
    public = getattr(evaluation, name)
    names = {**{other: getattr(evaluation, other) for other in evaluation.__all__}, "np": np, "keras": keras}
    examples = doctest.DocTestFinder(recurse=False).find(public, name, globs=names)
    shown = [example for example in examples if example.examples]
    assert shown or name in _WITHOUT
    for example in shown:
        said = []
        assert doctest.DocTestRunner().run(example, out=said.append).failed == 0, "".join(said)
