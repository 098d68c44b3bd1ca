import numpy as np
import pytest
from sklearn.datasets import load_digits

from keras_ssl.evaluation import linear_probe, linear_probe_grid
from keras_ssl.evaluation.linear_probe_grid import hold_out


def noisy_digits(dtype="float32"):
    """Few labels and many useless dimensions, so that the regularization matters."""
    digits = load_digits()
    noise = np.random.default_rng(0).standard_normal((900, 200)) * 4
    return np.concatenate([digits.data[:900], noise], axis=1).astype(dtype), digits.target[:900]


def test_chooses_as_one_would_by_hand():
    x, y = noisy_digits()
    train, test = slice(0, 150), slice(150, 900)
    held = hold_out(y[train], 0.3, seed=1)
    grid = (1e-4, 1e-2, 1.0, 100.0)
    by_hand = {r: linear_probe(x[train][~held], y[train][~held], x[train][held], y[train][held], r) for r in grid}
    found = linear_probe_grid(x[train], y[train], x[test], y[test], grid, validation=0.3, seed=1)
    assert found.validation == by_hand
    assert found.regularization == max(grid, key=lambda r: (by_hand[r], r))
    assert found.accuracy == linear_probe(x[train], y[train], x[test], y[test], found.regularization)
    assert 1e-4 < found.regularization < 100
    names = np.array([f"digit {number}" for number in range(10)])
    again = linear_probe_grid(x[train], names[y[train]], x[test], names[y[test]], grid, validation=0.3, seed=1)
    assert again == found


def test_the_split():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [50, 10, 2, 1]))
    held = hold_out(labels, 0.2, seed=0)
    assert [int(held[labels == c].sum()) for c in range(4)] == [10, 2, 0, 0]
    assert [int(hold_out(labels, 0.9, seed=0)[labels == c].sum()) for c in range(4)] == [45, 9, 1, 0]
    np.testing.assert_array_equal(held, hold_out(labels.astype(str), 0.2, seed=0))
    assert (held != hold_out(labels, 0.2, seed=1)).any()


def test_one_class_and_collapsed_features():
    assert linear_probe_grid(np.eye(5), ["a"] * 5, np.eye(5)[:2], ["a", "b"]).accuracy == 0.5
    found = linear_probe_grid(np.ones((10, 2), "float16"), [0] * 5 + [1] * 5, np.ones((2, 2)), [0, 1])
    assert found.accuracy == 0.5 and found.regularization == 10  # all are equal: the largest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regularizations": []}, r"Received: regularizations=\[\]"),
        ({"regularizations": [1.0, 0.0]}, r"Received: regularization=0.0"),
        ({"validation": 1.0}, r"Received: validation=1.0"),
        (
            {"train_labels": [0, 1, 2, 3, 4]},
            r"hold one out. Received: validation=0.2, train_labels with 5 classes",
        ),
        ({"train_features": np.full((5, 5), np.nan)}, r"`train_features` must be finite"),
    ],
)
def test_bad_arguments(change, message):
    good = {"train_features": np.eye(5), "train_labels": [0] * 5, "test_features": np.eye(5), "test_labels": [0] * 5}
    with pytest.raises(ValueError, match=message):
        linear_probe_grid(**good | change)
