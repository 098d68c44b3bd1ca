import sys

import numpy as np
import pytest

from keras_ssl.evaluation import utilization

RNG = np.random.default_rng(0)
TEST, TRAIN, MIXED = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=(8, 3))


def test_equals_the_loops():
    expected = np.mean([min(np.linalg.norm(q - x) for x in TRAIN) for q in TEST])
    assert utilization(TEST, TRAIN) == pytest.approx(expected, rel=1e-12)


def test_is_zero_where_the_test_is_in_train():
    assert utilization(TRAIN[[2, 0]], TRAIN) == 0.0
    assert utilization(TEST, TRAIN, TEST) == 0.0


def test_never_grows_when_points_are_added():
    values = [utilization(TEST, TRAIN)] + [utilization(TEST, TRAIN, MIXED[:n]) for n in range(1, 9)]
    assert all(later <= earlier for earlier, later in zip(values, values[1:], strict=False)) and values[-1] < values[0]
    assert values[-1] == pytest.approx(utilization(TEST, np.concatenate([TRAIN, MIXED])))


def test_blocks_give_the_same(monkeypatch):
    whole = utilization(TEST, TRAIN)
    monkeypatch.setattr(sys.modules[utilization.__module__], "_BLOCK", 30)
    assert utilization(TEST, TRAIN) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": TEST[0]}, "Received: features.shape"),
        ({"train_features": TRAIN[:, :2]}, "train_features"),
        ({"mixed_features": MIXED * np.nan}, "finite"),
        ({"mixed_features": MIXED[:, :1]}, "mixed_features"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        utilization(**{"features": TEST, "train_features": TRAIN, **options})
