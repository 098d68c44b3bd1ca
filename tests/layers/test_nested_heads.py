import keras
import numpy as np
import pytest

from keras_ssl.layers import EMATeacher, MLPHead, NestedMLPHead, NestedPrototypes, Prototypes, level_parts

X = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
OPTIONS = {"activation": "gelu", "batch_norm": False, "output_bias": True}


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def built(head, width=8):
    head.build((None, width))
    return head


def test_one_head_is_the_plain_layer():
    nested, plain = built(NestedMLPHead((5, 3), (1.0,), **OPTIONS)), built(MLPHead((5, 3), **OPTIONS))
    assert [w.shape for w in nested.weights] == [w.shape for w in plain.weights]
    plain.set_weights(nested.get_weights())
    np.testing.assert_array_equal(numbers(nested(X)), numbers(plain(X)))
    ours, theirs = NestedPrototypes(4, 8, nested=(1.0,)), Prototypes(4, 8)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(numbers(ours(X)), numbers(theirs(X)))


def test_each_head_sees_the_first_features_alone():
    head = built(NestedMLPHead((5, 3), (1.0, 0.5, 0.25), **OPTIONS))
    whole = numbers(head(X))
    assert whole.shape == (6, 9) == head.compute_output_shape((6, 8))
    for place, (start, part) in enumerate(zip((8, 4, 2), np.split(whole, 3, axis=1), strict=True)):
        changed = X.copy()
        changed[:, start:] += 1.0
        np.testing.assert_array_equal(np.split(numbers(head(changed)), 3, axis=1)[place], part)
        single = head if place == 0 else head.others[place - 1]
        expected = X[:, :start] if place else X
        found = numbers(single(expected)) if place else numbers(head(X))[:, :3]
        np.testing.assert_allclose(found, part, rtol=1e-6)
    changed = X.copy()
    changed[:, 5:] += 1.0
    assert np.abs(np.split(numbers(head(changed)), 3, axis=1)[0] - np.split(whole, 3, axis=1)[0]).max() > 1e-3


def test_heads_of_all_features_share_nothing_with_one_another():
    head = built(NestedMLPHead((5, 3), (1.0, 0.5), **OPTIONS))
    assert len(head.trainable_variables) == 2 * len(built(MLPHead((5, 3), **OPTIONS)).trainable_variables)


def test_prototypes_are_cosines_of_each_part():
    layer = NestedPrototypes(6, 4, nested=(1.0, 0.5, 0.1))
    assert layer.counts == (6, 3, 1)
    z = np.random.default_rng(1).normal(size=(5, 12)).astype("float32")
    found = numbers(layer(z))
    assert found.shape == (5, 10) == layer.compute_output_shape((5, 12))
    kernels = [layer.kernel, *(other.kernel for other in layer.others)]
    for part, kernel, scores in zip(np.split(z, 3, axis=1), kernels, level_parts(found, layer.counts), strict=True):
        k = numbers(kernel)
        expected = part @ k / np.linalg.norm(part, axis=1, keepdims=True) / np.linalg.norm(k, axis=0)
        np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_level_parts_of_one_head_is_the_whole():
    assert level_parts(X, (8,))[0] is X
    assert [part.shape[-1] for part in level_parts(X, (5, 2, 1))] == [5, 2, 1]


@pytest.mark.parametrize(
    "layer", [lambda: NestedMLPHead((5, 3), (1.0, 0.5)), lambda: NestedPrototypes(6, 4, 2, (1.0, 0.5))]
)
def test_config_round_trip_and_copies(layer):
    made = layer()
    if not made.built:
        made.build((None, 8))
    again = type(made).from_config(made.get_config())
    assert again.get_config() == made.get_config()
    teacher = EMATeacher([made], 0.9)
    np.testing.assert_allclose(numbers(teacher(X)), numbers(made(X, training=False)), atol=1e-6)
    assert len(teacher.averaged_weights) == len(made.trainable_variables)


@pytest.mark.parametrize(
    "nested", [(), (0.5,), (1.0, 1.0), (1.0, 0.0), (1.0, 0.5, 0.7), (1.0, float("nan")), 1.0, ("all",), (2.0, 1.0)]
)
def test_rejects(nested):
    for make in (lambda: NestedMLPHead((4,), nested), lambda: NestedPrototypes(4, 2, nested=nested)):
        with pytest.raises(ValueError, match="`nested` .*Received: nested="):
            make()
