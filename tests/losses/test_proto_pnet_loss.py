"""Cluster, separation and alignment costs: loops, limits, gradients."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import proto_pnet_loss, shallow_deep_loss

RNG = np.random.default_rng(0)
LABELS = np.array([0, 2, 1, 2])


def slow(scores, labels, count):
    cluster, separation = 0.0, 0.0
    for row, label in zip(scores.astype("float64"), labels, strict=True):
        distances = 1 - row
        own = [d for j, d in enumerate(distances) if j // count == label]
        others = [d for j, d in enumerate(distances) if j // count != label]
        cluster += min(own) / len(labels)
        separation -= min(others) / len(labels)
    return cluster, separation


def test_equals_loops():
    scores = RNG.uniform(-1, 1, size=(4, 6)).astype("float32")
    found = [float(part) for part in proto_pnet_loss(scores, LABELS, 2)]
    np.testing.assert_allclose(found, slow(scores, LABELS, 2), rtol=1e-5)


def test_only_the_nearest_prototypes_get_a_gradient(value_and_gradients):
    scores = np.array([[0.9, 0.2, 0.1, 0.3]], "float32")
    for part, expected in ((0, [-1, 0, 0, 0]), (1, [0, 0, 0, 1])):
        _, (gradient,) = value_and_gradients(lambda s, k=part: proto_pnet_loss(s, np.array([0]), 2)[k], scores)
        np.testing.assert_allclose(gradient[0], expected)


def slow_alignment(shallow, deep, activations, labels, count, threshold):
    shallow, deep = shallow.astype("float64"), deep.astype("float64")
    height, width = deep.shape[1:3]
    factor, total, terms = shallow.shape[1] // height, 0.0, 0

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    for n, label in enumerate(labels):
        places = [(r, c) for r in range(height) for c in range(width)]
        cells = {
            (r, c): shallow[n, r * factor : (r + 1) * factor, c * factor : (c + 1) * factor].ravel() for r, c in places
        }
        for j in range(label * count, (label + 1) * count):
            p = max(places, key=lambda place: activations[n, place[0], place[1], j])
            for q in places:
                gap = abs(cosine(deep[n][p], deep[n][q]) - cosine(cells[p], cells[q]))
                total, terms = total + max(gap - threshold, 0.0), terms + 1
    return total / terms


@pytest.mark.parametrize(("factor", "threshold"), [(1, 0.0), (2, 0.1), (3, 0.5)])
def test_alignment_equals_loops(factor, threshold):
    shallow = RNG.normal(size=(4, 2 * factor, 3 * factor, 2)).astype("float32")
    deep, activations = (RNG.normal(size=(4, 2, 3, width)).astype("float32") for width in (5, 6))
    expected = slow_alignment(shallow, deep, activations, LABELS, 2, threshold)
    found = shallow_deep_loss(shallow, deep, activations, LABELS, 2, threshold)
    assert expected > 0 and float(found) == pytest.approx(expected, rel=1e-4)


def test_alignment_is_zero_where_the_similarities_agree():
    deep = RNG.normal(size=(4, 3, 3, 4)).astype("float32")
    rotated = 3 * deep @ np.linalg.qr(RNG.normal(size=(4, 4)))[0].astype("float32")
    activations = RNG.normal(size=(4, 3, 3, 6)).astype("float32")
    assert float(shallow_deep_loss(rotated, deep, activations, LABELS, 2, 0.0)) == pytest.approx(0.0, abs=1e-5)
    assert float(shallow_deep_loss(-deep, deep, activations, LABELS, 2, 2.0)) == 0.0


def test_alignment_differentiates_the_deep_map_alone(value_and_gradients):
    shallow, deep = RNG.normal(size=(2, 2, 2, 2, 3)).astype("float32")
    activations = RNG.normal(size=(2, 2, 2, 4)).astype("float32")
    _, gradients = value_and_gradients(
        lambda s, d, a: shallow_deep_loss(s, d, a, np.array([0, 1]), 2, 0.0), shallow, deep, activations
    )
    assert not np.any(gradients[0]) and np.any(gradients[1]) and not np.any(gradients[2])
    _, (_, at_zero, _) = value_and_gradients(
        lambda s, d, a: shallow_deep_loss(s, d, a, np.array([0, 1]), 2, 0.0), shallow, 0 * deep, activations
    )
    assert np.isfinite(at_zero).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: proto_pnet_loss(np.ones((4, 5)), LABELS, 2), "Received: scores.shape="),
        (lambda: proto_pnet_loss(np.ones((4, 2)), LABELS, 2), "Received: scores.shape="),
        (lambda: proto_pnet_loss(np.ones((4, 6)), LABELS, 0), "Received: prototypes_per_class=0"),
        (lambda: proto_pnet_loss(np.ones((4, 6)), LABELS[:, None], 2), "Received: labels.shape="),
        (lambda: proto_pnet_loss(np.ones((4, 6)), 0 * LABELS - 1, 2), "Received: labels=-1"),
        (lambda: proto_pnet_loss(np.ones((4, 6)), 0 * LABELS + 3, 2), "Received: labels=3"),
        (
            lambda: shallow_deep_loss(*[np.ones((4, 3, 3, 6))] * 3, LABELS, 2, threshold=-0.1),
            "Received: threshold=-0.1",
        ),
        (
            lambda: shallow_deep_loss(np.ones((4, 4, 3, 2)), *[np.ones((4, 3, 3, 6))] * 2, LABELS, 2),
            "Received: shapes",
        ),
        (
            lambda: shallow_deep_loss(np.ones((4, 6, 3, 2)), *[np.ones((4, 3, 3, 6))] * 2, LABELS, 2),
            "Received: shapes",
        ),
        (lambda: shallow_deep_loss(*[np.ones((4, 3, 3, 6))] * 3, LABELS, 4), "Received: shapes"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_compiles():
    scores = RNG.uniform(-1, 1, size=(4, 6)).astype("float32")
    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Lambda(lambda s: s)])
    model.compile("sgd", lambda y, s: proto_pnet_loss(s, y, 2)[0], jit_compile=True)
    found = model.evaluate(scores, LABELS, batch_size=4, verbose=0)
    assert found == pytest.approx(slow(scores, LABELS, 2)[0], rel=1e-5)
