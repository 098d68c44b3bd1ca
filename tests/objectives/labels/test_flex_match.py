"""What FlexMatch computes, step after step, against a reference that keeps its table in a dict."""

from collections import Counter

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, after, array, cross_entropy, model_of, outcome, soft, supervised
from tests.objectives.labels.semi import tensors as inputs
from tests.objectives.reference import draws

INDEX = np.arange(8, dtype="int32")


@pytest.mark.parametrize("warmup", [True, False])
def test_three_steps_equal_the_reference(warmup):
    model = model_of("FlexMatch", dataset_size=12, threshold=0.7, warmup=warmup)
    last = dict.fromkeys(range(12), -1)
    for step in range(3):
        weak, strong = 3 * draws(8, 3, seed=step), draws(8, 3, seed=10 + step)
        index = INDEX if step < 2 else INDEX[::-1].copy() + 2
        labels = np.where(index < 2, 1, -1).astype("int32") if step == 2 else LABELS
        counts = Counter(last.values())
        most = max([counts[c] for c in range(3)] + ([counts[-1]] if warmup else []))
        betas = [counts[c] / most if most else 0.0 for c in range(3)]
        thresholds = [0.7 * beta / (2 - beta) for beta in betas]
        expected, used = [], []
        for w, s, y in zip(weak, strong, labels, strict=True):
            if y < 0:
                used.append(soft(w).max() >= thresholds[w.argmax()])
                expected.append(cross_entropy(s, w.argmax()) * used[-1])
        embeddings = inputs(weak, strong, labels, index=index)
        loss, logs = outcome(model, embeddings)
        base = supervised(weak, labels) if (labels >= 0).any() else 0.0
        assert loss == pytest.approx(base + np.mean(expected), rel=1e-5)
        assert logs["confident"] == pytest.approx(np.mean(used))
        after(model, embeddings)
        for k, w, y in zip(index, weak, labels, strict=True):
            last[k] = -2 if y >= 0 else int(w.argmax()) if soft(w).max() >= 0.7 else last[k]
        assert array(model.table.contents)[:, 0].tolist() == [last[k] for k in range(12)]
    assert len({value for value in last.values() if value >= 0}) > 1


def test_at_the_start_warmup_uses_every_sample_and_no_update_leaves_the_table():
    model = model_of("FlexMatch", dataset_size=8)
    np.testing.assert_array_equal(array(model.thresholds), 0.0)
    embeddings = inputs(index=INDEX)
    assert outcome(model, embeddings)[1]["confident"] == 1.0
    after(model, embeddings, updated=False)
    np.testing.assert_array_equal(array(model.table.contents), -1.0)


def test_equal_classes_give_fix_match():
    model = model_of("FlexMatch", dataset_size=6, threshold=0.6)
    model.table.update(np.arange(6), np.array([0, 0, 1, 1, 2, 2], "float32")[:, None])
    fix = model_of("FixMatch", threshold=0.6)
    assert outcome(model, inputs(index=INDEX))[0] == pytest.approx(outcome(fix, inputs())[0], rel=1e-6)


def test_more_samples_than_the_table_has_are_named():
    model = model_of("FlexMatch", dataset_size=6)
    model.compile("sgd")
    with pytest.raises(ValueError, match="Received: dataset_size=6"):
        model.fit(np.zeros((8, 16, 16, 3), "uint8"), LABELS, batch_size=8, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset_size": 0}, "dataset_size=0"),
        ({"dataset_size": 4, "threshold": -1}, "threshold=-1"),
        ({"dataset_size": 4, "mapping": "cubic"}, "mapping='cubic'"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.FlexMatch(tiny_encoder(), classes=3, **options)


def test_learns_from_streams():
    model = model_of("FlexMatch", dataset_size=12)
    model.compile(keras.optimizers.SGD(0.01))
    x = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3)).astype("uint8")
    streams = {"labeled": {"x": x[:4], "y": np.array([0, 1, 2, 0])}, "unlabeled": {"x": x}}
    logs = model.fit(keras_ssl.data.from_streams(streams, (1, 1), batch_size=8), verbose=0).history
    assert np.isfinite(logs["loss"]).all() and logs["confident"][0] == 1.0
    assert array(model.table.contents)[:4, 0].tolist() == [-2.0] * 4
