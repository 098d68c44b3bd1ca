"""Batches of several streams: ratio, passes, resumption, workers, bad input."""

import numpy as np
import pytest

from keras_ssl.data import from_streams

LABELED = {"x": np.arange(12.0).reshape(6, 2), "y": np.arange(6)}
UNLABELED = {"x": 100 + np.arange(40.0).reshape(20, 2)}


def make(ratio=(1, 3), batch_size=8, streams=None, **options):
    streams = {"labeled": LABELED, "unlabeled": UNLABELED} if streams is None else streams
    return from_streams(streams, ratio, batch_size=batch_size, **options)


def epoch(data):
    batches = [data[place] for place in range(len(data))]
    data.on_epoch_end()
    return batches


def test_every_batch_has_the_ratio_and_labels_only_where_there_are_some():
    for batch in epoch(make()):
        assert batch["stream"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
        assert ((batch["y"] >= 0) == (batch["stream"] == 0)).all()
        assert ((batch["x"][:, 0] >= 100) == (batch["stream"] == 1)).all()
        rows = batch["index"]
        everything = np.concatenate([LABELED["x"], UNLABELED["x"]]).astype("float32")
        np.testing.assert_array_equal(batch["x"], everything[rows])


def test_each_stream_is_passed_through_before_it_begins_anew():
    data = make()
    batches = [batch for _ in range(3) for batch in epoch(data)]
    rows = np.concatenate([batch["index"][batch["stream"] == 0] for batch in batches])
    for start in range(0, len(rows) - 5, 6):
        assert sorted(rows[start : start + 6]) == list(range(6))
    assert rows[:6].tolist() != rows[6:12].tolist()
    others = np.concatenate([batch["index"][batch["stream"] == 1] for batch in batches])
    assert sorted(others[:20]) == list(range(6, 26))


def test_the_order_is_a_function_of_seed_and_epoch():
    data, again = make(), make()
    first, second = epoch(data), epoch(data)
    again.epoch = 1
    for mine, theirs in zip(second, epoch(again), strict=True):
        assert all(np.array_equal(mine[key], theirs[key]) for key in mine)
    assert any(not np.array_equal(a["index"], b["index"]) for a, b in zip(first, second, strict=True))
    other = epoch(make(seed=1))
    assert any(not np.array_equal(a["index"], b["index"]) for a, b in zip(first, other, strict=True))


def test_a_resumed_epoch_goes_on_in_its_middle():
    data, late = make(), make()
    late.first_batch = 2
    np.testing.assert_array_equal(late[0]["index"], data[2]["index"])


def test_the_parts_of_two_workers_make_the_batch():
    whole, parts = make(), [make(), make()]
    for number, part in enumerate(parts):
        part.take_part(number, 2)
    joined = {key: np.concatenate([part[1][key] for part in parts]) for key in whole[1]}
    for key, value in whole[1].items():
        np.testing.assert_array_equal(joined[key], value)


def test_further_fields_are_passed_on():
    streams = {
        "a": {"x": np.zeros((4, 2)), "box": np.zeros((4, 3, 4))},
        "b": {"x": np.ones((4, 2)), "box": np.ones((4, 3, 4))},
    }
    assert make((1, 1), 4, streams)[0]["box"].shape == (4, 3, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 9}, "multiple of 4.*Received: batch_size=9"),
        ({"ratio": (1,)}, r"Received: ratio=\(1,\)"),
        ({"ratio": (0, 1)}, "ratio"),
        ({"streams": {"a": LABELED}}, "two streams"),
        ({"streams": {"a": LABELED, "b": {"y": np.arange(3)}}}, "must hold `x`"),
        ({"streams": {"a": LABELED, "b": {"x": np.zeros((5, 3))}}}, "one shape and type"),
        ({"streams": {"a": LABELED, "b": {"x": np.zeros((5, 2)), "z": np.zeros(5)}}}, "same fields"),
        ({"streams": {"a": LABELED, "b": {"x": np.zeros((5, 2)), "z": np.zeros(4)}}}, "same number of samples"),
        ({"streams": {"a": LABELED, "b": {"x": np.full((5, 2), np.nan)}}}, "finite"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_the_fingerprint_tells_data_and_ratio():
    known = make().fingerprint()
    assert make(seed=5).fingerprint() == known
    others = [
        make(streams={"labeled": LABELED, "unlabeled": {"x": UNLABELED["x"][::-1].copy()}}),
        make(streams={"labeled": {**LABELED, "y": LABELED["y"][::-1].copy()}, "unlabeled": UNLABELED}),
        make(ratio=(2, 2)),
    ]
    assert all(other.fingerprint() != known for other in others)


@pytest.mark.parametrize("stream", [np.zeros((8, 2, 2, 3)), (np.zeros((8, 2, 2, 3)), np.zeros(8, int)), "photos"])
def test_a_stream_that_is_no_dict(stream):
    with pytest.raises(ValueError, match=r"Each stream must be a dict of arrays.*Received: stream 'b' of type"):
        from_streams({"a": {"x": np.zeros((8, 2, 2, 3))}, "b": stream}, ratio=(1, 1), batch_size=4)
