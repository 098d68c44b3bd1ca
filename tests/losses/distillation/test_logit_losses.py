"""Losses of a student's and a teacher's logits against loops in float64, with their limits."""

import keras
import numpy as np
import pytest

from keras_ssl import losses
from keras_ssl.losses.distillation.normalized_kd_loss import zipf_labels
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws

S, T = 2 * draws(6, 5), 2 * draws(6, 5, seed=1)
Y = np.array([0, 3, 4, 1, 2, 2], "int32")


def softmax(x):
    e = np.exp(np.asarray(x, "float64") - np.max(x))
    return e / e.sum()


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def slow_binary(s, t, temperature):
    total = 0.0
    for a, b in zip(s.astype("float64") / temperature, t.astype("float64") / temperature, strict=True):
        q, p = 1 / (1 + np.exp(-a)), 1 / (1 + np.exp(-b))
        total += p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return total


def slow_softened(s, t, temperature):
    p, q = softmax(t / temperature), softmax(s / temperature)
    return temperature**2 * np.sum(p * np.log(p / q))


def slow_decoupled(s, t, y, temperature, a, b):
    p, q = softmax(t / temperature), softmax(s / temperature)
    others = [k for k in range(len(p)) if k != y]
    target = p[y] * np.log(p[y] / q[y]) + (1 - p[y]) * np.log((1 - p[y]) / (1 - q[y]))
    p_others, q_others = p[others] / p[others].sum(), q[others] / q[others].sum()
    return temperature**2 * (a * target + b * np.sum(p_others * np.log(p_others / q_others)))


def slow_normalized(s, t, y, temperature, g):
    others = [k for k in range(len(s)) if k != y]
    p, q = softmax(t / temperature)[others], softmax(s / temperature)[others]
    return -softmax(t)[y] * np.log(softmax(s)[y]) - g * temperature**2 * np.sum(p / p.sum() * np.log(q / q.sum()))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_equal_the_references(temperature):
    found = {
        "binary": losses.binary_kl_loss(S, T, temperature),
        "softened": losses.softened_kl_loss(S, T, temperature),
        "decoupled": losses.decoupled_kl_loss(S, T, Y, temperature, 0.7, 3.0),
        "normalized": losses.normalized_kd_loss(S, T, Y, temperature, 1.3),
    }
    for row in range(len(S)):
        slow = {
            "binary": slow_binary(S[row], T[row], temperature),
            "softened": slow_softened(S[row], T[row], temperature),
            "decoupled": slow_decoupled(S[row], T[row], Y[row], temperature, 0.7, 3.0),
            "normalized": slow_normalized(S[row], T[row], Y[row], temperature, 1.3),
        }
        for name, value in slow.items():
            assert numbers(found[name])[row] == pytest.approx(value, rel=2e-5), name


def test_binary_divergence_sees_a_constant_that_a_softmax_does_not():
    s, t = np.array([[2.0, 3, 4]], "float32"), np.array([[-2.0, -1, 0]], "float32")
    assert float(numbers(losses.binary_kl_loss(s, t))[0]) > 3.2
    assert abs(float(numbers(losses.softened_kl_loss(s, t))[0])) < 1e-6
    assert abs(float(numbers(losses.binary_kl_loss(s, s))[0])) < 1e-6


def test_hinton_s_loss_is_the_target_s_part_and_the_others_weighted_by_their_share():
    for temperature in (1.0, 4.0):
        whole = numbers(losses.softened_kl_loss(S, T, temperature))
        target = numbers(losses.decoupled_kl_loss(S, T, Y, temperature, 1.0, 0.0))
        others = numbers(losses.decoupled_kl_loss(S, T, Y, temperature, 0.0, 1.0))
        share = np.array([1 - softmax(t / temperature)[y] for t, y in zip(T, Y, strict=True)])
        np.testing.assert_allclose(whole, target + share * others, rtol=1e-4)


def test_normalized_parts_make_up_the_cross_entropy_to_the_teacher():
    # KD = -T_t log S_t - (1 - T_t) log(1 - S_t) + (1 - T_t) CE(N(T), N(S)), at temperature 1.
    for s, t, y, found in zip(
        S,
        T,
        Y,
        numbers(losses.normalized_kd_loss(S, T, Y, 1.0, 1.0)) - numbers(losses.normalized_kd_loss(S, T, Y, 1.0, 0.0)),
        strict=True,
    ):
        p, q = softmax(t), softmax(s)
        whole = -np.sum(p * np.log(q))
        assert whole == pytest.approx(
            -p[y] * np.log(q[y]) - (1 - p[y]) * np.log(1 - q[y]) + (1 - p[y]) * found, rel=1e-5
        )


def test_a_sure_teacher_without_the_others_is_the_cross_entropy():
    sure = np.full((6, 5), -200.0, "float32")
    sure[np.arange(6), Y] = 200.0
    found = numbers(losses.normalized_kd_loss(S, sure, Y, other_weight=0.0))
    np.testing.assert_allclose(found, [-np.log(softmax(s)[y]) for s, y in zip(S, Y, strict=True)], rtol=1e-5)


def test_an_unknown_label_is_the_teacher_s_answer():
    answer = T.argmax(axis=1).astype("int32")
    for loss in (losses.decoupled_kl_loss, losses.normalized_kd_loss):
        np.testing.assert_allclose(numbers(loss(S, T, np.full(6, -1))), numbers(loss(S, T, answer)), rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_gradients_are_finite_and_none_reaches_the_teacher(scale):
    functions = {
        "binary": lambda s, t: losses.binary_kl_loss(s, t),
        "softened": lambda s, t: losses.softened_kl_loss(s, t),
        "decoupled": lambda s, t: losses.decoupled_kl_loss(s, t, Y),
        "normalized": lambda s, t: losses.normalized_kd_loss(s, t, Y),
    }
    for name, function in functions.items():
        value, (of_student, of_teacher) = differentiate(
            lambda s, t, f=function: keras.ops.sum(f(s, t)), scale * S, scale * T
        )
        assert np.isfinite(value) and np.isfinite(of_student).all() and np.any(of_student), name
        assert not np.any(of_teacher), name


class TestUniversal:
    def test_equals_the_reference(self):
        weak, labeled = draws(6, 5, seed=2), np.array([1, 1, 0, 1, 1, 1], "float32")
        found = numbers(losses.universal_self_kd_loss(S, weak, Y, labeled, 1.0, 0.2, 0.3, 0.1))
        square = np.array([softmax(s)[y] ** 2 for s, y in zip(S, Y, strict=True)])
        mean = square[labeled > 0].mean()
        for row, (s, w, y) in enumerate(zip(S, weak, Y, strict=True)):
            p = softmax(s)
            others = sorted((k for k in range(5) if k != y), key=lambda k: -(p[k] + softmax(w)[k]))
            zipf = {k: 1 / rank for rank, k in enumerate(others, 1)}
            total = sum(zipf.values())
            rest = 1 - p[y]
            slow = -(square[row] + 1 - mean) * np.log(p[y])
            slow -= 0.2 * sum(zipf[k] / total * np.log(p[k] / rest) for k in others)
            smooth = [0.9 if k == y else 0.1 / 4 for k in range(5)]
            slow -= 0.3 * np.sum(smooth * np.log(softmax(w)))
            assert found[row] == pytest.approx(slow, rel=1e-4)

    def test_soft_labels_have_the_mean_one(self):
        # With the other parts off, the loss over -log S_t is the soft label.
        found = numbers(losses.universal_self_kd_loss(S, S, Y, None, 1.0, 0.0, 0.0))
        log_s = np.log([softmax(s)[y] for s, y in zip(S, Y, strict=True)])
        assert np.mean(found / -log_s) == pytest.approx(1.0, rel=1e-5)

    def test_zipf_labels_fall_with_the_rank_and_sum_to_one(self):
        found = numbers(zipf_labels(S, Y))
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-6)
        for row, logits, y in zip(found, S, Y, strict=True):
            order = [k for k in np.argsort(-logits) if k != y]
            assert row[y] == 0.0 and np.all(np.diff(row[order]) < 0)
            assert row[order[0]] == pytest.approx(1 / sum(1 / k for k in range(1, 5)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.binary_kl_loss(S, T, 0.0), "temperature=0.0"),
        (lambda: losses.binary_kl_loss(S, T[:, :3]), "shapes"),
        (lambda: losses.softened_kl_loss(S, T, float("nan")), "temperature=nan"),
        (lambda: losses.decoupled_kl_loss(S, T, Y, target_weight=-1.0), "target_weight=-1.0"),
        (lambda: losses.decoupled_kl_loss(S, T, Y, other_weight=float("inf")), "other_weight=inf"),
        (lambda: losses.normalized_kd_loss(S, T, Y, other_weight=float("nan")), "other_weight=nan"),
        (lambda: losses.universal_self_kd_loss(S, T, Y, smoothing=1.0), "smoothing=1.0"),
        (lambda: losses.universal_self_kd_loss(S, T, Y, weak_weight=-0.1), "weak_weight=-0.1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        call()
