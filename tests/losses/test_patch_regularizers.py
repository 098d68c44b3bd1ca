"""Gram anchoring and patch kernel alignment: closed forms, invariances, slow references."""

import keras
import numpy as np
import pytest

from keras_ssl.evaluation import cka
from keras_ssl.losses import gram_loss, patch_kernel_loss

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 7, 5)), RNG.normal(size=(3, 7, 4))
LOSSES = [gram_loss, patch_kernel_loss]


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def rotation(size, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def slow_gram(x, a):
    """Image by image, pair by pair."""
    result = []
    for image, anchor in zip(x, a, strict=True):
        total = 0.0
        for i in range(len(image)):
            for j in range(len(image)):
                ours = image[i] @ image[j] / np.linalg.norm(image[i]) / np.linalg.norm(image[j])
                theirs = anchor[i] @ anchor[j] / np.linalg.norm(anchor[i]) / np.linalg.norm(anchor[j])
                total += (ours - theirs) ** 2
        result.append(total / len(image) ** 2)
    return np.array(result)


def slow_paka(x, y):
    """With the centering matrix itself."""
    h = np.eye(x.shape[1]) - 1.0 / x.shape[1]
    result = []
    for a, b in zip(x, y, strict=True):
        k, l = h @ a @ a.T @ h, h @ b @ b.T @ h
        result.append(1 - np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l)))
    return np.array(result)


@pytest.mark.parametrize(("loss", "slow"), [(gram_loss, slow_gram), (patch_kernel_loss, slow_paka)])
def test_equal_the_slow_references(loss, slow):
    np.testing.assert_allclose(numbers(loss(X, Y)), slow(X, Y), rtol=1e-5)
    np.testing.assert_allclose(numbers(loss(X[:, :, :4], Y)), slow(X[:, :, :4], Y), rtol=1e-5)


def test_patch_kernel_loss_is_one_minus_the_evaluation_s_cka():
    np.testing.assert_allclose(
        numbers(patch_kernel_loss(X, Y)), [1 - cka(a, b) for a, b in zip(X, Y, strict=True)], rtol=1e-5
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_features_cost_nothing_and_have_no_gradient(loss):
    np.testing.assert_allclose(numbers(loss(X, X)), 0.0, atol=1e-6)
    np.testing.assert_allclose(gradient(loss, X, X), 0.0, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_rotations_of_either_side_change_nothing(loss):
    expected = numbers(loss(X, Y))
    np.testing.assert_allclose(numbers(loss(X @ rotation(5), Y)), expected, rtol=1e-4)
    np.testing.assert_allclose(numbers(loss(X, Y @ rotation(4))), expected, rtol=1e-4)
    np.testing.assert_allclose(numbers(loss(X @ rotation(5), X)), 0.0, atol=1e-5)


def test_gram_loss_ignores_the_length_of_each_patch_but_not_a_shift():
    lengths = RNG.uniform(0.1, 9.0, (3, 7, 1))
    np.testing.assert_allclose(numbers(gram_loss(lengths * X, Y)), numbers(gram_loss(X, Y)), rtol=1e-4)
    assert (numbers(gram_loss(X + 1.0, X)) > 1e-2).all()


def test_cka_ignores_shift_and_scale_of_an_image_but_not_lengths_of_patches():
    np.testing.assert_allclose(numbers(patch_kernel_loss(3.0 * X - 2.0, X)), 0.0, atol=1e-5)
    assert (numbers(patch_kernel_loss(RNG.uniform(0.1, 9.0, (3, 7, 1)) * X, X)) > 1e-2).all()
    np.testing.assert_allclose(numbers(patch_kernel_loss(Y, X)), numbers(patch_kernel_loss(X, Y)), rtol=1e-5)


def test_closed_forms():
    same, apart = np.ones((1, 4, 2)), np.eye(4)[None]
    np.testing.assert_allclose(numbers(gram_loss(same, apart)), 12 / 16, rtol=1e-6)  # all cosines but one's own
    opposite = np.array([[[1.0], [-1.0]]])
    np.testing.assert_allclose(numbers(gram_loss(opposite, np.ones((1, 2, 1)))), 2.0, rtol=1e-6)
    a, b = np.array([[[1.0], [-1.0], [1.0], [-1.0]]]), np.array([[[1.0], [1.0], [-1.0], [-1.0]]])
    np.testing.assert_allclose(numbers(patch_kernel_loss(a, b)), 1.0, rtol=1e-6)  # uncorrelated


def test_patches_that_do_not_vary_are_finite():
    constant = np.ones((3, 7, 5))
    np.testing.assert_allclose(numbers(patch_kernel_loss(constant, Y)), 1.0)
    for loss in LOSSES:
        assert np.isfinite(gradient(loss, constant, Y)).all()
        assert np.isfinite(gradient(loss, 0.0 * constant, Y)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_images_do_not_mix_and_the_gradient_is_the_student_s(loss):
    both = numbers(loss(X, Y))
    for place in range(3):
        one = slice(place, place + 1)
        np.testing.assert_allclose(numbers(loss(X[one], Y[one]))[0], both[place], rtol=1e-5)
    assert np.abs(gradient(loss, X, Y)).max() > 1e-3
    np.testing.assert_array_equal(gradient(lambda a, b: loss(b, a), Y, X), 0.0)  # none to the anchor


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_equal_differences(loss):
    found = gradient(loss, X, Y)
    slow = {gram_loss: slow_gram, patch_kernel_loss: slow_paka}[loss]
    for place in [(0, 0, 0), (1, 3, 2), (2, 6, 4)]:
        moved = np.zeros_like(X)
        moved[place] = 1e-5
        expected = (slow(X + moved, Y).sum() - slow(X - moved, Y).sum()) / 2e-5
        assert found[place] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def gradient(loss, x, y):
    x, y = (keras.ops.convert_to_tensor(z, "float32") for z in (x, y))
    if keras.backend.backend() == "jax":
        import jax

        return numbers(jax.grad(lambda z: keras.ops.sum(loss(z, y)))(x))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        total = keras.ops.sum(loss(x, y))
    found = tape.gradient(total, x)
    return np.zeros(x.shape) if found is None else numbers(found)


@pytest.mark.parametrize("loss", LOSSES)
def test_rejects(loss):
    for x, y in ((X[0], Y[0]), (X[:2], Y), (X[:, :3], Y), (X[:, :0], Y[:, :0])):
        with pytest.raises(ValueError, match="Features of patches must be .*Received: shapes "):
            loss(x, y)
    for epsilon in (0.0, -1.0, float("nan"), None):
        with pytest.raises(ValueError, match="`epsilon`.*Received: epsilon="):
            patch_kernel_loss(X, Y, epsilon)
