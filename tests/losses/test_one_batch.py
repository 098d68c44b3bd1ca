"""Losses of several arguments take one batch: none of them is broadcast against the others without a word."""

import numpy as np
import pytest

from keras_ssl import losses
from keras_ssl.losses.masked_pixel_loss import masked_pixel_loss
from tests.losses.conftest import to_float64

RNG = np.random.default_rng(0)
ONE, OTHER = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
FLAT = ONE[:, 0]
HIDDEN = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, 0]], "float32")
GRAPH = np.eye(3, dtype="float32")

PAIRS = {
    "assignment_loss": lambda a, b: losses.assignment_loss(a, b),
    "hidden_distance_loss": lambda a, b: losses.hidden_distance_loss(a, b),
    "image_absolute_error": lambda a, b: losses.image_absolute_error(a[..., None], b[..., None]),
    "grouped_pixel_loss": lambda a, b: losses.grouped_pixel_loss([a], [b], HIDDEN),
    "masked_absolute_error": lambda a, b: losses.masked_absolute_error(a, b, HIDDEN),
    "masked_patch_agreement": lambda a, b: losses.masked_patch_agreement(a, b, HIDDEN),
    "masked_patch_loss": lambda a, b: losses.masked_patch_loss(a, b, HIDDEN),
    "masked_pixel_loss": lambda a, b: masked_pixel_loss(a, b, HIDDEN),
    "multi_label_loss": lambda a, b: losses.multi_label_loss(a[:, 0], b[:, 0]),
    "patch_selection_loss": lambda a, b: losses.patch_selection_loss(a, b),
    "place_vicreg_terms": lambda a, b: losses.place_vicreg_terms(a, b),
    "smooth_absolute_error": lambda a, b: losses.smooth_absolute_error(a, b),
}
MASKED = {
    "grouped_pixel_loss": lambda mask: losses.grouped_pixel_loss([ONE], [OTHER], mask),
    "masked_absolute_error": lambda mask: losses.masked_absolute_error(ONE, OTHER, mask),
    "masked_patch_agreement": lambda mask: losses.masked_patch_agreement(ONE, OTHER, mask),
    "masked_patch_loss": lambda mask: losses.masked_patch_loss(ONE, OTHER, mask),
    "masked_pixel_loss": lambda mask: masked_pixel_loss(ONE, OTHER, mask),
}
OTHERS = {
    "proto_pnet_loss": lambda n: losses.proto_pnet_loss(FLAT[:, :4], np.zeros(n, "int32"), 2),
    "soft_contrastive_loss": lambda n: losses.soft_contrastive_loss(FLAT, FLAT, GRAPH[:n, :n]),
    "target_code_loss": lambda n: losses.target_code_loss(FLAT, np.zeros(n, "int32")),
    "token_heterogeneity": lambda n: losses.token_heterogeneity(ONE, HIDDEN[:n]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_batch_of_one_is_not_compared_with_a_larger_one(name):
    PAIRS[name](ONE, OTHER)
    with pytest.raises(ValueError, match="Received: "):
        PAIRS[name](ONE[:1], OTHER)


def test_patches_without_or_with_more_than_one_axis_of_classes_are_refused():
    for axes in ((3, 4), (3, 4, 5, 1)):
        scores = np.ones(axes, "float32")
        with pytest.raises(ValueError, match="must have one shape .* Received: students.shape="):
            losses.masked_patch_loss(scores, scores, HIDDEN)


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_has_the_shape_of_what_it_masks(name):
    for mask in (HIDDEN[:1], HIDDEN[:, :1], HIDDEN[..., None]):
        with pytest.raises(ValueError, match=r"must have the shape \[3, 4\]. Received: (hidden|chosen).shape="):
            MASKED[name](mask)


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_of_weights_counts_by_their_shares(name):
    np.testing.assert_allclose(to_float64(MASKED[name](0.1 * HIDDEN)), to_float64(MASKED[name](HIDDEN)), rtol=1e-5)
    np.testing.assert_array_equal(to_float64(MASKED[name](0 * HIDDEN)), np.zeros(3))


@pytest.mark.parametrize("name", OTHERS)
def test_what_belongs_to_the_samples_is_of_their_number(name):
    OTHERS[name](3)
    for count in (1, 2):
        with pytest.raises(ValueError, match="Received: "):
            OTHERS[name](count)
