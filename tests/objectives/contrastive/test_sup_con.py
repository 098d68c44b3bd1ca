"""What SupCon computes, against a slow reference and SimCLR."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, encoder

Z = {"z1": draws(7, 6), "z2": draws(7, 6) + 0.5 * draws(7, 6, seed=1)}
LABELS = np.array([0, 1, 0, -1, -1, 0, 2], "int32")


def make(**options):
    return keras_ssl.SupCon(encoder(), projector=(6,), temperature=0.3, **options)


@pytest.mark.parametrize("form", ["out", "in"])
def test_equals_the_reference(form):
    z, total = unit(np.concatenate([Z["z1"], Z["z2"]]).astype("float64")), 0.0
    for i in range(14):
        p = np.exp([z[i] @ z[j] / 0.3 if j != i else -np.inf for j in range(14)])
        p /= p.sum()
        label = LABELS[i % 7]
        mates = [p[j] for j in range(14) if j != i and (j % 7 == i % 7 or label == LABELS[j % 7] >= 0)]
        total -= np.mean(np.log(mates)) if form == "out" else np.log(np.mean(mates))
    assert value(make(form=form).objective({**Z, "y": LABELS}, Step.at(1))[0]) == pytest.approx(total / 14, rel=1e-5)


@pytest.mark.parametrize("form", ["out", "in"])
@pytest.mark.parametrize("labels", [-np.ones(7, "int32"), np.arange(7, dtype="int32")])
def test_without_shared_labels_it_is_simclr(form, labels):
    plain = keras_ssl.SimCLR(encoder(), projector=(6,), temperature=0.3)
    loss = value(make(form=form).objective({**Z, "y": labels}, Step.at(1))[0])
    assert loss == pytest.approx(value(plain.objective(Z, Step.at(1))[0]), rel=1e-6)


def test_the_base_temperature_scales_the_loss():
    embeddings = {**Z, "y": LABELS}
    scaled, plain = (value(make(base_temperature=t).objective(embeddings, Step.at(1))[0]) for t in (0.1, None))
    assert scaled == pytest.approx(3 * plain, rel=1e-5)


def test_labels_are_required_and_must_be_integers():
    model = OBJECTIVES["sup_con"]()
    model.compile("sgd", run_eagerly=EAGERLY)
    x = np.zeros((8, 8, 8, 3), "uint8")
    with pytest.raises(ValueError, match="batch key 'y'"):
        model.fit(x, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match="integers"):
        model.fit(x, np.linspace(0, 1, 8), batch_size=8, verbose=0)


@pytest.mark.parametrize("options", [{"form": "both"}, {"base_temperature": 0}])
def test_errors(options):
    ((name, bad),) = options.items()
    with pytest.raises(ValueError, match=f"Received: {name}={bad!r}"):
        make(**options)
