import numpy as np
import pytest

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import Solarize


def test_threshold(see):
    images = np.array([0.0, 0.2, 0.5, 0.7, 1.0], "float32").reshape(1, 1, 5, 1)
    np.testing.assert_allclose(see(Solarize(), images).ravel(), [0.0, 0.2, 0.5, 0.3, 0.0], atol=1e-7)
    np.testing.assert_allclose(see(Solarize(0.1), images).ravel(), [0.0, 0.8, 0.5, 0.3, 0.0], atol=1e-7)


@pytest.mark.parametrize("threshold", [-0.1, 128, None])
def test_bad_threshold(threshold):
    with pytest.raises(ValueError, match=f"`threshold`.*threshold={threshold}"):
        Solarize(threshold)


def test_conforms():
    check_view(Solarize(0.3), image_size=6)
