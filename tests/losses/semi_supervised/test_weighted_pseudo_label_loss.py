"""A pseudo-label loss with given weights: it is FixMatch's where the weights are its mask."""

import keras
import numpy as np

from keras_ssl.losses import weighted_pseudo_label_loss
from keras_ssl.losses.pseudo_label_loss import pseudo_label_loss
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws


def test_with_the_mask_of_fix_match_it_is_its_loss():
    weak, strong = 2 * draws(8, 3), draws(8, 3, seed=1)
    loss, mask = pseudo_label_loss(weak, strong, 0.7)
    assert 0 < np.asarray(mask).sum() < 8
    np.testing.assert_allclose(weighted_pseudo_label_loss(weak, strong, mask), loss, rtol=1e-6)


def test_is_proportional_to_weights_that_get_no_gradient():
    weak, strong, weights = draws(4, 3), draws(4, 3, seed=1), np.array([0.5, 0, 2, 1], "float32")
    whole = np.asarray(weighted_pseudo_label_loss(weak, strong, np.ones(4, "float32")))
    np.testing.assert_allclose(weighted_pseudo_label_loss(weak, strong, weights), whole * weights, rtol=1e-6)
    _, gradients = differentiate(lambda *a: keras.ops.sum(weighted_pseudo_label_loss(*a)), weak, strong, weights)
    assert not np.any(gradients[0]) and np.any(gradients[1]) and not np.any(gradients[2])
