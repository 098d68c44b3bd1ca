"""What RankMixup computes: cross-entropy plus a ranking, mixed images and their coefficients."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from keras_ssl.training.labelled_model import label_losses
from tests.losses.robust.test_rank_mixup_loss import slow_ndcg, slow_ranking
from tests.objectives.reference import draws, value

LABELS = np.array([1, -1, 0, -1, 1, 2, -1], "int32")


def outcome(model, **embeddings):
    z = {"features": draws(7, 4), "y": LABELS, **embeddings}
    return engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, Step.at(7))


@pytest.mark.parametrize("ranking", ["ndcg", "margin"])
def test_equals_the_reference(ranking):
    raw, mixed = 2 * draws(7, 3), draws(7, 2, 3, seed=1)
    shares = np.random.RandomState(2).uniform(0.5, 1.0, size=(7, 2)).astype("float32")
    model = tiny_model("RankMixup", classes=3, ranking=ranking, weight=0.7, margin=0.3)
    found = outcome(model, raw=raw, mixed=mixed, coefficients=shares)
    p = np.exp(raw.astype("float64"))
    entropy = np.mean([-np.log(p[k, LABELS[k]] / p[k].sum()) for k in (0, 2, 4, 5)])
    order = (slow_ndcg(raw, mixed, shares) if ranking == "ndcg" else slow_ranking(raw, mixed, shares, 0.3)).mean()
    assert value(found.loss) == pytest.approx(entropy + 0.7 * order, rel=1e-5)
    assert value(found.logs["ranking"]) == pytest.approx(order, rel=1e-4)


def test_weight_0_is_cross_entropy_and_mixes_nothing():
    model = tiny_model("RankMixup", classes=3, weight=0.0)
    batch = {"x": keras.ops.ones((7, 16, 16, 3)), "y": keras.ops.convert_to_tensor(LABELS)}
    assert "mixed" not in model.embed(batch, Step.at(7))
    raw = draws(7, 3)
    losses, labeled = label_losses(raw, LABELS)
    assert value(outcome(model, raw=raw).loss) == pytest.approx(float(np.sum(losses) / np.sum(labeled)), rel=1e-6)


def test_mixes_images_and_knows_their_coefficients():
    """From images that tell their number: each copy is `a x + (1 - a) x'`, with partners of its own."""
    model = tiny_model("RankMixup", classes=3, copies=3)
    step = Step.at(7, seed=5)
    view = keras.ops.convert_to_tensor(np.eye(7, dtype="float32").reshape(7, 1, 7, 1))
    copies, shares = model.mix(view, keras.ops.convert_to_tensor(LABELS), step)
    a = np.asarray(model.shares(step))
    assert a.shape == (3,) and ((a >= 0.5) & (a <= 1.0)).all() and len(np.unique(a)) == 3
    shares, partners = np.asarray(shares), []
    for v, copy in enumerate(copies):
        rows = np.asarray(copy).reshape(7, 7)
        partners.append([])
        for i, row in enumerate(rows):
            other = int(np.argmax(row - a[v] * np.eye(7)[i]))
            partners[-1].append(other)
            np.testing.assert_allclose(row, a[v] * np.eye(7)[i] + (1 - a[v]) * np.eye(7)[other], atol=1e-6)
            alike = other == i or (LABELS[i] == LABELS[other] and LABELS[i] >= 0)
            assert shares[i, v] == pytest.approx(1.0 if alike else a[v])
        assert sorted(partners[-1]) == list(range(7))  # each serves once
    assert all(len({partners[v][i] for v in range(3)}) == 3 for i in range(7))
    assert (shares == 1.0).any() and (shares < 1.0).any()


def test_shares_follow_their_distribution():
    """`max(a, 1 - a)` of uniform a has the mean 3/4; of Beta(2, 2), 11/16."""
    for concentration, mean in ((1, 0.75), (2, 0.6875)):
        model = tiny_model("RankMixup", copies=500, concentration=concentration)
        assert float(np.mean(np.asarray(model.shares(Step.at(1))))) == pytest.approx(mean, abs=0.02)


def test_a_step_of_training_and_what_it_logs():
    model = tiny_model("RankMixup", ranking="margin")
    model.compile("sgd")
    x = np.random.RandomState(0).randint(0, 256, size=(8, 16, 16, 3)).astype("uint8")
    logs = model.fit(x, np.arange(8) % 4, batch_size=8, verbose=0).history
    assert {"loss", "supervised", "ranking", "accuracy"} <= set(logs)
    np.testing.assert_allclose(logs["loss"][0], logs["supervised"][0] + logs["ranking"][0], rtol=1e-5)
    assert model.predict(x, verbose=0).shape == (8, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranking": "pairs"}, "ranking='pairs'"),
        ({"copies": 0}, "copies=0"),
        ({"weight": -1.0}, "weight=-1"),
        ({"weight": float("nan")}, "weight=nan"),
        ({"margin": float("inf")}, "margin=inf"),
        ({"concentration": 0.5}, "concentration=0.5"),
        ({"classes": 1}, "classes=1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.RankMixup(tiny_encoder(), **{"classes": 3, **options})
