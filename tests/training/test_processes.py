from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_ssl.training import processes as module
from keras_ssl.training.processes import Processes, others_watched


@pytest.fixture
def alone():
    return Processes(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))


def of_two(each, number, other):
    """Makes them number `number` of two, where the other one gives `other`."""
    each.count, each.number = 2, number
    each._sum = lambda mine: mine + np.eye(2, dtype="int32")[1 - number] * other
    return each


def test_one_process(alone):
    assert (alone.count, alone.number, alone.is_chief) == (1, 0, True)
    assert alone.gather(7) == [7] and alone.together(lambda: "done") == "done"


@pytest.mark.parametrize(("number", "gathered"), [(0, [3, 5]), (1, [5, 3])])
def test_values_stand_by_number(alone, number, gathered):
    processes = of_two(alone, number, 5)
    assert processes.gather(3) == gathered and processes.is_chief == (number == 0)


def test_an_error_here_is_raised_here_after_the_others_have_heard_of_it(alone):
    heard = []
    processes = of_two(alone, 0, 0)
    tell = processes._sum
    processes._sum = lambda mine: heard.append(mine.tolist()) or tell(mine)
    with pytest.raises(OSError, match="disk"):
        processes.together(lambda: (_ for _ in ()).throw(OSError("disk")))
    assert heard == [[1, 0]]


def test_an_error_elsewhere_is_raised_here_too(alone):
    with pytest.raises(RuntimeError, match=r"failed elsewhere. Received: failed processes=\[1\]"):
        of_two(alone, 0, 1).together(lambda: None)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a strategy is TensorFlow's")
def test_a_strategy_without_a_cluster_is_one_process(monkeypatch):
    import tensorflow as tf

    monkeypatch.delenv("TF_CONFIG", raising=False)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        assert Processes(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])).count == 1


@pytest.mark.parametrize("text", ["Collective ops is aborted by: x", "Gloo AllGather failed: x"])
def test_a_lost_process_is_named_among_several_only(monkeypatch, text):
    monkeypatch.setattr(module, "Processes", lambda model: SimpleNamespace(count=1))
    with pytest.raises(ValueError, match="x"), others_watched(object()):
        raise ValueError(text)
    monkeypatch.setattr(module, "Processes", lambda model: SimpleNamespace(count=2))
    with pytest.raises(RuntimeError, match="another process of it has ended.*Received: ValueError"):
        with others_watched(object()):
            raise ValueError(text)
    with pytest.raises(ValueError, match="own"), others_watched(object()):
        raise ValueError("its own fault")
