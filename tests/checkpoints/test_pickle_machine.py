import pickle
import random

import pytest

from keras_ssl.checkpoints import CheckpointError
from keras_ssl.checkpoints.pickle_machine import PickleMachine


def run(content, position=0):
    return PickleMachine(content, persistent_load=lambda identifier: ("persistent", identifier)).run(position)


def draw(rng, depth=0):
    """A random value of the kinds that are read."""
    if depth < 5 and rng.random() < 0.6:
        items = [draw(rng, depth + 1) for _ in range(rng.randrange(5))]
        kind = rng.choice((list, tuple, dict))
        return {rng.choice((str(i), i, -(7**i))): item for i, item in enumerate(items)} if kind is dict else kind(items)
    return rng.choice(
        (
            None,
            True,
            False,
            0,
            255,
            256,
            65535,
            65536,
            -1,
            2**31,
            -(2**70),
            2**500,
            0.5,
            -1e300,
            "",
            "a",
            "ü€😀",
            "x" * 300,
        )
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_those_of_pickle(protocol):
    rng = random.Random(protocol)
    for _ in range(200):
        value = draw(rng)
        content = pickle.dumps(value, protocol)
        assert run(content) == (value, len(content))


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("length", [0, 1, 300])
def test_bytes_are_those_of_pickle(protocol, length):
    content = pickle.dumps([bytes(length)], protocol)
    assert run(content)[0] == [bytes(length)]


def test_shared_and_cyclic_values_keep_their_shape():
    inner = [1]
    value = [inner, inner]
    value.append(value)
    read, _ = run(pickle.dumps(value, 2))
    assert read[0] is read[1] and read[2] is read and read[0] == [1]


def test_pickles_follow_each_other():
    first, second = pickle.dumps("a", 2), pickle.dumps([2], 2)
    value, position = run(first + second + b"more")
    assert (value, position) == ("a", len(first))
    assert run(first + second + b"more", position) == ([2], len(first + second))


def test_persistent_ids_are_handed_on():
    assert run(b"\x80\x02K\x03Q.")[0] == ("persistent", 3)


def test_the_cost_of_all_pickles_of_a_file_is_counted():
    machine = PickleMachine(b"(" + b"N" * 2**19 + b"t.", lambda identifier: None)
    machine.run()
    with pytest.raises(CheckpointError, match="more than 1048576 operations"):
        machine.run()
