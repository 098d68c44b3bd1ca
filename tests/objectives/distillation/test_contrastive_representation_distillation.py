"""CRD: the critic's loss against loops in float64, closed forms, limits, the queue."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import losses
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import Step, engine
from tests.losses.conftest import _finite_differences
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, unit, value

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
A, P, N = draws(5, 6), draws(5, 6, seed=1), draws(9, 6, seed=2)


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def slow(anchors, positives, negatives, temperature, normalizer):
    """Pair by pair."""
    anchors, positives = unit(anchors.astype("float64")), unit(positives.astype("float64"))
    rows = None if negatives is None else unit(negatives.astype("float64"))
    others = [
        [positives[k] for k in range(len(positives)) if k != n] if rows is None else list(rows)
        for n in range(len(anchors))
    ]
    scores = [[np.exp(a @ v / temperature) for v in mine] for a, mine in zip(anchors, others, strict=True)]
    z = np.mean(scores) if normalizer is None else normalizer
    values = []
    for a, p, mine in zip(anchors, positives, scores, strict=True):
        e = np.exp(a @ p / temperature)
        shift = len(mine) * z
        values.append(-np.log(e / (e + shift)) - sum(np.log(shift / (x + shift)) for x in mine))
    return np.asarray(values)


@pytest.mark.parametrize("negatives", [None, N])
@pytest.mark.parametrize("normalizer", [None, 0.02])
def test_loss_equals_the_reference(negatives, normalizer):
    found = numbers(losses.contrastive_distillation_loss(A, P, negatives, 0.2, normalizer))
    np.testing.assert_allclose(found, slow(A, P, negatives, 0.2, normalizer), rtol=1e-4)


def test_the_gradient_is_that_of_finite_differences():
    def loss(a, p, n):
        return keras.ops.sum(losses.contrastive_distillation_loss(a, p, n, 0.5, 0.3))

    found, gradients = differentiate(loss, A, P, N)
    expected = _finite_differences(lambda a, p, n: slow(a, p, n, 0.5, 0.3).sum(), A, P, N)
    assert found == pytest.approx(slow(A, P, N, 0.5, 0.3).sum(), rel=1e-5)
    for mine, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_a_critic_that_knows_nothing_is_right_once_in_all():
    """Closed form: where every pair has the same cosine, h = 1 / (K + 1) for each."""
    rows, count = np.eye(4, dtype="float32"), 3
    found = numbers(losses.contrastive_distillation_loss(rows[:1], rows[1:2], np.repeat(rows[2:3], count, axis=0)))
    assert found[0] == pytest.approx(np.log(count + 1) + count * np.log((count + 1) / count), rel=1e-5)


def test_pairs_that_belong_together_cost_least():
    sharp = unit(A)
    near = numbers(losses.contrastive_distillation_loss(A, 5 * sharp, temperature=0.1)).mean()
    far = numbers(losses.contrastive_distillation_loss(A, -sharp, temperature=0.1)).mean()
    assert near < numbers(losses.contrastive_distillation_loss(A, P, temperature=0.1)).mean() < far


def embeddings(**more):
    z = {"features": A, "student": A, "teacher": P, "logits": draws(5, 4), "y": np.array([0, -1, 2, 3, 1], "int32")}
    return {key: keras.ops.convert_to_tensor(array) for key, array in {**z, **more}.items()}


def test_objective_equals_its_parts_and_weight_zero_is_the_cross_entropy():
    model = tiny_model("ContrastiveRepresentationDistillation", contrast_weight=0.5, temperature=0.2)
    found = engine.reduce(model, embeddings(), Step.at(5))
    contrast = (slow(A, P, None, 0.2, None) + slow(P, A, None, 0.2, None)).mean()
    assert value(found.logs["contrast"]) == pytest.approx(contrast, rel=1e-4)
    supervised = value(found.logs["supervised"])
    assert value(found.loss) == pytest.approx(supervised + 0.5 * contrast, rel=1e-4)
    logits = draws(5, 4).astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert supervised == pytest.approx(-np.mean([log_p[0, 0], log_p[2, 2], log_p[3, 3], log_p[4, 1]]), rel=1e-5)
    plain = tiny_model("ContrastiveRepresentationDistillation", contrast_weight=0.0)
    assert value(engine.reduce(plain, embeddings(), Step.at(5)).loss) == pytest.approx(supervised, rel=1e-6)
    none = embeddings(y=np.full(5, -1, "int32"))
    assert value(engine.reduce(model, none, Step.at(5)).loss) == pytest.approx(0.5 * contrast, rel=1e-4)


def test_queues_hold_the_embeddings_of_each_network():
    model = tiny_model("ContrastiveRepresentationDistillation", queue_size=12, temperature=0.2, dimension=6)
    before = [numbers(queue.contents) for queue in model.queues]
    found = engine.reduce(model, embeddings(), Step.at(5))
    expected = slow(A, P, before[1], 0.2, None) + slow(P, A, before[0], 0.2, None)
    assert value(found.logs["contrast"]) == pytest.approx(expected.mean(), rel=1e-4)
    model.after_step(embeddings(), keras.ops.convert_to_tensor(True), Step.at(5))
    for queue, z in zip(model.queues, (A, P), strict=True):
        np.testing.assert_allclose(numbers(queue.contents)[:5], unit(z.astype("float64")), rtol=1e-4)
    model.compile("sgd")
    with pytest.raises(ValueError, match="size=12"):
        model.fit(np.concatenate([IMAGES] * 2), batch_size=16, verbose=0)


def test_learns_from_a_teacher_in_memory_without_labels():
    layers = [keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(5)]
    model = tiny_model(
        "ContrastiveRepresentationDistillation", teacher=keras.Sequential(layers), temperature=0.5, normalizer=1.0
    )
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    history = model.fit(IMAGES, batch_size=8, epochs=40, verbose=0).history["contrast"]
    assert np.mean(history[-5:]) < np.mean(history[:5])


@pytest.mark.parametrize(
    "options",
    [{"contrast_weight": -1.0}, {"dimension": 0}, {"temperature": 0.0}, {"queue_size": -1}, {"normalizer": 0.0}],
)
def test_refuses(options):
    with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
        tiny_model("ContrastiveRepresentationDistillation", **options)


def test_the_loss_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"Received: negatives.shape=\(9, 5\)"):
        losses.contrastive_distillation_loss(A, P, N[:, :5])
    with pytest.raises(ValueError, match=r"Received: shapes \(5, 6\) and \(4, 6\)"):
        losses.contrastive_distillation_loss(A, P[:4])
    with pytest.raises(ValueError, match=r"Received: anchors.shape=\(1, 6\)"):
        losses.contrastive_distillation_loss(A[:1], P[:1])
    assert keras_ssl.registry.find("objective", "ContrastiveRepresentationDistillation").paper.endswith("1910.10699")
