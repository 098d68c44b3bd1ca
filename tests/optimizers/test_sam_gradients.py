import keras
import numpy as np
import pytest

from keras_ssl.optimizers import combining_rule, mgda, multi_task_sam_gradients, pc_grad, sam_gradients, sam_perturbed

RNG = np.random.default_rng(0)
ROOT = RNG.normal(size=(5, 5))
H = ROOT @ ROOT.T
W = RNG.normal(size=(5,))


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def quadratic(h, center=0.0):
    """The gradient of 0.5 (w - center)^T H (w - center), of weights in two parts."""

    def gradient(values):
        w = keras.ops.concatenate(values) - center
        g = keras.ops.matmul(keras.ops.convert_to_tensor(h, "float32"), w)
        return [g[:2], g[2:]]

    return gradient


VALUES = [W[:2].astype("float32"), W[2:].astype("float32")]


@pytest.mark.parametrize("rho", [0.0, 0.05, 2.0])
def test_sam_of_a_quadratic_in_closed_form(rho):
    expected = H @ (W + rho * H @ W / np.linalg.norm(H @ W))
    actual = np.concatenate([numbers(g) for g in sam_gradients(quadratic(H), VALUES, rho)])
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_perturbation_is_as_long_as_rho_over_all_weights_together():
    moved = sam_perturbed(VALUES, [np.float32([3, 0]), np.float32([0, 4, 0])], 0.5)
    np.testing.assert_allclose(numbers(moved[0]) - VALUES[0], [0.3, 0.0], atol=1e-6)
    np.testing.assert_allclose(numbers(moved[1]) - VALUES[1], [0.0, 0.4, 0.0], atol=1e-6)


def test_perturbation_of_zero_missing_and_huge_gradients():
    for gradients in ([np.zeros(2, "float32"), None], [None, None]):
        moved = sam_perturbed(VALUES, gradients, 0.5)
        for a, b in zip(moved, VALUES, strict=True):
            np.testing.assert_array_equal(numbers(a), b)
    moved = sam_perturbed(VALUES, [np.float32([3e30, 4e30]), None], 0.5)
    np.testing.assert_allclose(numbers(moved[0]) - VALUES[0], [0.3, 0.4], atol=1e-5)
    assert np.isnan(numbers(sam_perturbed(VALUES, [np.float32([np.nan, 1]), None])[0])).any()


def reference(matrices, centers, rho, rule):
    plain, flat = [], []
    for h, center in zip(matrices, centers, strict=True):
        g = h @ (W - center)
        plain.append(g)
        flat.append(h @ (W - center + rho * g / np.linalg.norm(g)) - g)
    return numbers(rule(np.stack(plain))) + numbers(rule(np.stack(flat)))


@pytest.mark.parametrize("rule", ["sum", "mgda", "pc_grad", "ca_grad"])
@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_tasks_are_perturbed_apart_and_their_parts_joined_apart(rule, rho):
    matrices, centers = [H, np.diag([1.0, 2.0, 3.0, 0.5, 1.0]), np.eye(5)], [0.0, 1.5, -1.0]
    tasks = [quadratic(h, center) for h, center in zip(matrices, centers, strict=True)]
    actual = np.concatenate([numbers(g) for g in multi_task_sam_gradients(tasks, VALUES, rho, rule)])
    expected = reference(matrices, centers, rho, combining_rule(rule))
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)


def test_rho_zero_is_the_rule_and_one_task_is_sam():
    tasks = [quadratic(H), quadratic(np.eye(5), 2.0)]
    plain = np.stack([H @ W, W - 2.0])
    for name, rule in (("mgda", mgda), ("pc_grad", pc_grad)):
        actual = np.concatenate([numbers(g) for g in multi_task_sam_gradients(tasks, VALUES, 0.0, name)])
        np.testing.assert_allclose(actual, numbers(rule(plain)), rtol=1e-4, atol=1e-4)
        one = multi_task_sam_gradients(tasks[:1], VALUES, 0.3, name)
        for a, b in zip(one, sam_gradients(quadratic(H), VALUES, 0.3), strict=True):
            np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-4, atol=1e-4)


def test_a_weight_that_no_task_touches_has_no_gradient():
    tasks = [lambda w: [w[0], None], lambda w: [None, None]]
    first, second = multi_task_sam_gradients(tasks, VALUES, 0.1, "sum")
    np.testing.assert_allclose(numbers(first), VALUES[0] * (1 + 0.1 / np.linalg.norm(VALUES[0])), rtol=1e-5)
    assert second is None
    assert multi_task_sam_gradients(tasks[1:], VALUES) == [None, None]


@pytest.mark.parametrize("rho", [-0.1, float("nan"), float("inf")])
def test_rejects_rho(rho):
    for call in (
        lambda: sam_perturbed(VALUES, VALUES, rho),
        lambda: sam_gradients(quadratic(H), VALUES, rho),
        lambda: multi_task_sam_gradients([quadratic(H)], VALUES, rho),
    ):
        with pytest.raises(ValueError, match="`rho`.*Received: rho="):
            call()


def test_rejects_rules_and_no_tasks():
    with pytest.raises(ValueError, match="`rule`.*Received: rule=nash"):
        multi_task_sam_gradients([quadratic(H)], VALUES, rule="nash")
    with pytest.raises(ValueError, match=r"`gradients`.*Received: gradients=\[\]"):
        multi_task_sam_gradients([], VALUES)
