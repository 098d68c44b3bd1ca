import keras
import numpy as np
import pytest

from keras_ssl.losses import ProtoTripletLoss, proto_triplet_loss

RNG = np.random.default_rng(0)
QUERIES, PROTOTYPES = RNG.normal(size=(6, 3)), RNG.normal(size=(4, 3))
LABELS = np.array([0, 1, 2, 3, 0, -1], "int32")


def array(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def reference(queries, labels, prototypes, margin=0.5, negatives="nearest"):
    losses = []
    for query, label in zip(queries, labels, strict=True):
        if label < 0:
            losses.append(0.0)
            continue
        distances = [np.linalg.norm(query - p) for p in prototypes]
        hinges = [max(0.0, distances[label] - d + margin) for c, d in enumerate(distances) if c != label]
        losses.append(max(hinges) if negatives == "nearest" else np.mean(hinges))
    return np.array(losses)


@pytest.mark.parametrize("negatives", ["nearest", "all"])
@pytest.mark.parametrize("margin", [0.0, 0.5, 3.0])
def test_equals_the_loops(negatives, margin):
    found = array(proto_triplet_loss(QUERIES.astype("float32"), LABELS, PROTOTYPES, margin, negatives))
    np.testing.assert_allclose(found, reference(QUERIES, LABELS, PROTOTYPES, margin, negatives), rtol=1e-5, atol=1e-6)


def test_one_shot_of_two_classes_is_the_triplet_loss():
    anchor, positive, negative = RNG.normal(size=(3, 1, 4))
    triplet = max(0.0, np.linalg.norm(anchor - positive) - np.linalg.norm(anchor - negative) + 0.7)
    for negatives in ("nearest", "all"):
        found = proto_triplet_loss(anchor, np.array([0]), np.concatenate([positive, negative]), 0.7, negatives)
        assert float(found[0]) == pytest.approx(triplet, rel=1e-5)


def test_classes_beyond_the_margin_have_no_loss_and_no_gradient(value_and_gradients):
    prototypes, queries = np.eye(4) * 10, np.eye(4) * 9
    value, gradients = value_and_gradients(
        lambda q, p: keras.ops.sum(proto_triplet_loss(q, np.arange(4), p)), queries, prototypes
    )
    assert value == 0.0 and not np.any(gradients[0]) and not np.any(gradients[1])


@pytest.mark.parametrize("negatives", ["nearest", "all"])
def test_gradient_equals_finite_differences(negatives, value_and_gradients, finite_differences, tolerance):
    _, gradients = value_and_gradients(
        lambda q, p: keras.ops.sum(proto_triplet_loss(q, LABELS, p, 1.0, negatives)), QUERIES, PROTOTYPES
    )
    slow = finite_differences(lambda q, p: reference(q, LABELS, p, 1.0, negatives).sum(), QUERIES, PROTOTYPES)
    for mine, theirs in zip(gradients, slow, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=tolerance)


def test_a_query_at_its_prototype_has_a_finite_gradient(value_and_gradients):
    value, gradients = value_and_gradients(
        lambda q, p: keras.ops.sum(proto_triplet_loss(q, np.arange(3), p)), np.zeros((3, 2)), np.zeros((3, 2))
    )
    assert value == pytest.approx(1.5) and all(np.isfinite(gradient).all() for gradient in gradients)


def test_the_loss_of_keras_takes_means_of_the_support():
    labels = np.array([1, 0, 0, 1, 0, 1, 1])
    z = RNG.normal(size=(7, 3))
    prototypes = np.stack([z[:4][labels[:4] == c].mean(axis=0) for c in (0, 1)])
    expected = reference(z[4:], labels[4:], prototypes, 2.0).mean()
    for shape in (labels, labels[:, None]):
        assert float(ProtoTripletLoss(2, 2, margin=2.0)(shape, z)) == pytest.approx(expected, rel=1e-5)


def test_round_trip():
    loss = ProtoTripletLoss(3, 2, 0.1, "all", name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config() and again.get_config()["negatives"] == "all"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": -1}, "Received: margin=-1"),
        ({"margin": np.inf}, "Received: margin=inf"),
        ({"negatives": "some"}, "Received: negatives='some'"),
        ({"prototypes": PROTOTYPES[:1]}, r"Received: prototypes.shape=\(1, 3\)"),
        ({"prototypes": PROTOTYPES[:, :2]}, r"Received: prototypes.shape=\(4, 2\)"),
        ({"labels": LABELS[:2]}, r"Received: labels.shape=\(2,\)"),
        ({"labels": LABELS / 2}, "Received: labels.dtype=float"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        proto_triplet_loss(**{"queries": QUERIES, "labels": LABELS, "prototypes": PROTOTYPES, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ways": 1}, "Received: ways=1"),
        ({"shots": 0}, "Received: shots=0"),
        ({"margin": np.nan}, "Received: margin=nan"),
        ({"negatives": ""}, "Received: negatives=''"),
    ],
)
def test_errors_of_the_loss_of_keras(options, message):
    with pytest.raises(ValueError, match=message):
        ProtoTripletLoss(**{"ways": 2, **options})
    with pytest.raises(ValueError, match="Received: 2 samples"):
        ProtoTripletLoss(2)(np.array([0, 1]), np.eye(2))
