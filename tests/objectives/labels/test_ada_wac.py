"""What AdaWAC computes, and how its weights move from visit to visit."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, after, array, cross_entropy, model_of, outcome, soft
from tests.objectives.labels.semi import tensors as inputs
from tests.objectives.reference import draws

INDEX = np.array([3, 0, 7, 1, 5, 2, 9, 8], "int32")


@pytest.mark.parametrize(("rate", "weight"), [(0.0, 1.0), (0.7, 1.0), (0.3, 4.0)])
def test_four_visits_equal_the_reference(rate, weight):
    model = model_of("AdaWAC", dataset_size=10, rate=rate, unlabeled_weight=weight)
    b = {int(k): np.array([0.5, 0.5]) for k in INDEX}
    for step in range(4):
        first, second = draws(8, 3, seed=step), draws(8, 3, seed=10 + step)
        embeddings = inputs(first, second, index=INDEX)
        values = []
        for k, v, w, y in zip(INDEX, first, second, LABELS, strict=True):
            consistency = weight * np.sum((soft(v) - soft(w)) ** 2)
            if y < 0:
                values.append(consistency)
                continue
            losses = np.array([cross_entropy(v, y), consistency])
            values.append(b[int(k)] @ losses)
            b[int(k)] = b[int(k)] * np.exp(rate * losses)
            b[int(k)] /= b[int(k)].sum()
        assert outcome(model, embeddings)[0] == pytest.approx(np.mean(values), rel=1e-5)
        after(model, embeddings)
    ratios = array(model.table.contents)[:, 0]
    expected = [np.log(b[k][0] / b[k][1]) if k in b else 0.0 for k in range(10)]
    np.testing.assert_allclose(ratios, expected, rtol=1e-4, atol=1e-5)


def test_equal_views_move_the_weights_to_the_labels():
    model = model_of("AdaWAC", dataset_size=10)
    embeddings = inputs(draws(8, 3), draws(8, 3), index=INDEX)
    for _ in range(20):
        after(model, embeddings)
    _, logs = outcome(model, embeddings)
    assert logs["consistency"] == 0.0 and logs["label_weight"] > 0.95


def test_no_update_and_no_label_leave_the_table():
    model = model_of("AdaWAC", dataset_size=10)
    after(model, inputs(index=INDEX), updated=False)
    after(model, inputs(labels=np.full(8, -1, "int32"), index=INDEX))
    assert not np.any(array(model.table.contents))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"dataset_size": 0}, "dataset_size=0"), ({"dataset_size": 3, "rate": float("nan")}, "rate=nan")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.AdaWAC(tiny_encoder(), classes=3, **options)
