"""What MaskedImageConsistency computes, and what its student sees."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from keras_ssl.training import Step
from keras_ssl.views.functional.hide_patches import hide_patches
from tests.objectives.labels.semi import LABELS, STRONG, array, cross_entropy, model_of, outcome, soft, supervised
from tests.objectives.labels.semi import tensors as inputs
from tests.objectives.reference import draws

NAME = "MaskedImageConsistency"
TEACHER = 2 * draws(8, 3, seed=5)
UNLABELED = np.flatnonzero(LABELS < 0)


@pytest.mark.parametrize(("threshold", "weight"), [(None, 1.0), (0.7, 2.0)])
def test_equals_the_reference(threshold, weight):
    confidence = np.array([soft(row).max() for row in TEACHER])[UNLABELED]
    q = confidence if threshold is None else np.full(5, np.mean(confidence > threshold))
    losses = [cross_entropy(STRONG[n], TEACHER[n].argmax()) for n in UNLABELED]
    model = model_of(NAME, threshold=threshold, unlabeled_weight=weight)
    loss, logs = outcome(model, inputs(teacher=TEACHER))
    assert loss == pytest.approx(supervised() + weight * np.mean(q * losses), rel=1e-5)
    assert logs["confident"] == pytest.approx(np.mean(q), rel=1e-5)


def test_weight_zero_is_source_training():
    assert outcome(model_of(NAME, unlabeled_weight=0.0), inputs(teacher=TEACHER))[0] == pytest.approx(supervised())


@pytest.mark.parametrize(("ratio", "hidden"), [(0.0, 0), (0.5, 8), (0.7, 12)])
def test_hides_exactly_its_share_of_the_patches(ratio, hidden):
    x = keras.Input((16, 16, 3))
    encoder = keras.Model(x, keras.layers.GlobalAveragePooling2D()(x))
    model = keras_ssl.MaskedImageConsistency(
        encoder, 3, mask_ratio=ratio, views=lambda x, stream: [x, x], preprocessing=None
    )
    calls, encode = [], model.encode
    model.encode = lambda views, training: calls.append([array(view) for view in views]) or encode(views, training)
    images = 0.5 + np.random.default_rng(0).random((6, 16, 16, 3)).astype("float32") / 2
    batch = {"x": keras.ops.convert_to_tensor(images), "y": keras.ops.zeros((6,), "int32")}
    model.embed(batch, Step.at(6))
    whole, masked = calls[0]
    patches = masked.reshape(6, 4, 4, 4, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(6, 16, -1)
    gone = (patches == 0).all(axis=2)
    assert (gone.sum(axis=1) == hidden).all()
    np.testing.assert_array_equal(masked[masked != 0], whole[masked != 0])
    if 0 < hidden:
        assert len({row.tobytes() for row in gone}) > 1


def test_blanks_pixels_by_hand():
    blanked = array(hide_patches(np.ones((1, 4, 6, 1), "float32"), np.array([[1, 3]]), 2))[0, ..., 0]
    expected = np.zeros((4, 6))
    expected[:2, 2:4] = expected[2:, :2] = 1
    np.testing.assert_array_equal(blanked, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_ratio": 1.0}, "mask_ratio=1.0"),
        ({"patch_size": 0}, "patch_size=0"),
        ({"threshold": 2.0}, "threshold=2.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.MaskedImageConsistency(tiny_encoder(), classes=3, **options)


def test_patches_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="Received: patch_size=3"):
        hide_patches(np.ones((1, 4, 4, 1), "float32"), np.array([[0]]), 3)
