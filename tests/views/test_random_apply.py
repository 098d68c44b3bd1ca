import numpy as np
import pytest

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import (
    ColorJitter,
    GaussianBlur,
    Identity,
    MultiView,
    Normalize,
    RandomApply,
    RandomFlip,
    RandomResizedCrop,
    Solarize,
)


def test_never_is_the_identity_and_always_the_view(unit, see, make_stream):
    blur = GaussianBlur()
    np.testing.assert_array_equal(see(RandomApply(blur, 0.0), unit), unit)
    stream = make_stream(4)
    stream.bernoulli(0.5)  # the choice is drawn first, whatever the probability
    np.testing.assert_array_equal(see(RandomApply(blur, 1.0), unit), blur(unit, stream))


def test_probability(see):
    images = np.ones((4000, 1, 1, 1), "float32")
    assert abs((see(RandomApply(Solarize(), 0.25), images) == 0).mean() - 0.25) < 0.03


def test_claims():
    assert not RandomApply(RandomFlip(), 0.0).is_random
    assert RandomApply(RandomFlip(), 1.0).is_random
    assert not RandomApply(Solarize(), 1.0).is_random
    assert RandomApply(Solarize(), 0.5).is_random
    assert not RandomApply(Normalize(0.5, 0.5), 0.5).unit_range
    assert RandomApply(Normalize(0.5, 0.5), 0.0).unit_range


def test_views_that_change_the_shape(unit, see):
    with pytest.raises(ValueError, match="`op` must keep the images' shape.*Received: op="):
        see(RandomApply(RandomResizedCrop(4), 0.5), unit)


def test_bad_arguments():
    for op in ([Solarize()], MultiView([Identity()])):
        with pytest.raises(ValueError, match="`op` must be a view that gives one result. Received: op="):
            RandomApply(op, 0.5)
    with pytest.raises(ValueError, match="probability=2"):
        RandomApply(Solarize(), 2)


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_conforms(probability):
    check_view(RandomApply(ColorJitter(0.4, 0.4, 0.2), probability), image_size=6)
