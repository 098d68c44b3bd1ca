"""What SimMatchV2 computes, step after step, against float64 loops."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, after, array, model_of, outcome, soft, supervised
from tests.objectives.labels.semi import tensors as inputs
from tests.objectives.reference import draws, unit

NAME = "SimMatchV2"
INDEX = np.array([0, 7, 1, 8, 9, 2, 10, 11], "int32")  # labeled samples have the numbers 0, 1 and 2
OPTIONS = {
    "labeled_size": 3,
    "queue_size": 8,
    "neighbors": 2,
    "alpha": 0.3,
    "temperature": 0.5,
    "threshold": 0.5,
    "edge_weight": 2.0,
    "node_edge_weight": 3.0,
    "alignment_momentum": 0.6,
    "unlabeled_weight": 4.0,
}


def propagate(p, k, table, alpha, t, neighbors):
    near = sorted(table.values(), key=lambda row: -float(row[0] @ k))[:neighbors]
    z = np.array([k, *(row[0] for row in near)])
    y = np.array([p, *(np.eye(3)[row[1]] for row in near)])
    edges = np.exp(z @ z.T / t) * (1 - np.eye(len(z)))
    if len(z) == 1:
        return p
    edges /= edges.sum(axis=1, keepdims=True)
    return ((1 - alpha) * np.linalg.inv(np.eye(len(z)) - alpha * edges) @ y)[0]


def test_three_steps_equal_the_reference():
    model = model_of(NAME, **OPTIONS)
    table, bank, mean = {}, [], np.full(3, 1 / 3)
    for step in range(3):
        weak, strong, teacher = (2 * draws(8, 3, seed=10 * n + step) for n in range(3))
        k, q = draws(8, 8, seed=30 + step), draws(8, 8, seed=40 + step)
        units, mine = unit(k.astype("float64")), unit(q.astype("float64"))
        raw = np.array([soft(row) for row in teacher])
        aligned = raw / mean / np.sum(raw / mean, axis=1, keepdims=True)
        nodes, edges, mixed = [], [], []
        for n in np.flatnonzero(LABELS < 0):
            g = propagate(aligned[n], units[n], table, 0.3, 0.5, 2)
            nodes.append(-np.sum(g * np.log(soft(strong[n]))) * (aligned[n].max() >= 0.5))
            if bank:
                places = np.array([row[0] for row in bank])
                theirs, ours = soft(places @ units[n] / 0.5), soft(places @ mine[n] / 0.5)
                edges.append(-np.sum(theirs * np.log(ours)))
                mixed.append(-np.sum(aligned[n] * np.log(ours @ np.array([row[1] for row in bank]))))
        expected = supervised(weak) + 4.0 * np.mean(nodes)
        if bank:
            expected += 2.0 * np.mean(edges) + 3.0 * np.mean(mixed)
        embeddings = inputs(weak, strong, teacher=teacher, k=k, q=q, index=INDEX)
        loss, _ = outcome(model, embeddings)
        assert loss == pytest.approx(expected, rel=1e-4)
        after(model, embeddings)
        for n, y in enumerate(LABELS):
            if y >= 0:
                table[INDEX[n]] = (units[n], y)
        fresh = [(units[n], aligned[n]) for n in np.flatnonzero(LABELS < 0)]
        bank = [*fresh, *bank][:8]
        mean = 0.6 * mean + 0.4 * raw[LABELS < 0].mean(axis=0)
        np.testing.assert_allclose(array(model.class_means.contents), mean, rtol=1e-5)
    assert len(bank) == 8 and len(table) == 3


def test_nodes_alone_are_fix_match_with_soft_labels():
    options = {**OPTIONS, "edge_weight": 0.0, "node_edge_weight": 0.0, "alpha": 0.0, "alignment_momentum": 1.0}
    weak, strong, more = 2 * draws(8, 3), draws(8, 3, seed=1), {"k": draws(8, 8), "q": draws(8, 8), "index": INDEX}
    loss, _ = outcome(model_of(NAME, **options), inputs(weak, strong, teacher=weak, **more))
    shrink = model_of("ShrinkMatch", threshold=0.5, shrink_weight=0.0, unlabeled_weight=4.0)
    assert loss == pytest.approx(outcome(shrink, inputs(weak, strong, auxiliary=weak))[0], rel=1e-5)


def test_equal_views_have_the_entropy_as_their_edge_loss():
    model = model_of(NAME, **OPTIONS)
    k = draws(8, 8)
    embeddings = inputs(teacher=draws(8, 3), k=k, q=k, index=INDEX)
    after(model, embeddings)
    log_relations = array(model.relations(keras.ops.convert_to_tensor(unit(k))))[LABELS < 0]
    filled = log_relations > -1e6
    entropies = -np.sum(np.exp(log_relations) * np.where(filled, log_relations, 0.0), axis=1)
    assert filled.sum(axis=1).tolist() == [5] * 5
    assert outcome(model, embeddings)[1]["edge_edge"] == pytest.approx(np.mean(entropies), rel=1e-5)


def test_layer_norm_takes_the_scale_out_of_features():
    model = model_of(NAME, **OPTIONS)
    features = 10 * draws(4, 16)
    np.testing.assert_allclose(array(model.classify(features)), array(model.classify(3 * features)), atol=1e-3)
    small = 0.01 * draws(4, 16).astype("float64")  # where what is added to the variance, 1e-5, shows
    scaled = small - small.mean(axis=1, keepdims=True)
    scaled /= np.sqrt(np.mean(scaled**2, axis=1, keepdims=True) + 1e-5)
    expected = scaled @ array(model.classifier.kernel) + array(model.classifier.bias)
    np.testing.assert_allclose(array(model.classify(small.astype("float32"))), expected, atol=1e-4)


def test_learns_from_streams():
    model = model_of(NAME, labeled_size=4)
    model.compile(keras.optimizers.SGD(0.001))
    x = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3)).astype("uint8")
    streams = {"labeled": {"x": x[:4], "y": np.array([0, 1, 2, 0])}, "unlabeled": {"x": x}}
    logs = model.fit(keras_ssl.data.from_streams(streams, (1, 1), batch_size=8), epochs=2, verbose=0).history
    assert np.isfinite(logs["loss"]).all() and logs["edge_edge"][-1] > 0
    assert sorted(array(model.table.contents)[:, -1].tolist()) == [0.0, 0.0, 1.0, 2.0]
    assert tuple(model.teacher_logits(x).shape) == (8, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labeled_size": 0}, "labeled_size=0"),
        ({"labeled_size": 4, "neighbors": 5}, "neighbors=5"),
        ({"labeled_size": 4, "alpha": 1.0}, "alpha=1.0"),
        ({"labeled_size": 4, "temperature": float("nan")}, "temperature=nan"),
        ({"labeled_size": 4, "edge_weight": -1}, "edge_weight=-1"),
        ({"labeled_size": 4, "queue_size": 0}, "queue_size=0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.SimMatchV2(tiny_encoder(), classes=3, **options)
