import numpy as np
import pytest

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import Normalize


def test_equals_torchvision(golden, unit, see):
    got = see(Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), unit)
    np.testing.assert_allclose(got, golden["normalize"], atol=1e-6)


def test_one_number_serves_all_channels(unit, see):
    np.testing.assert_allclose(see(Normalize(0.5, 0.25), unit), (unit - 0.5) * 4, atol=1e-6)


@pytest.mark.parametrize(
    ("mean", "std"),
    [([0.5, 0.5], [0.5]), (0.5, 0.0), (0.5, -1.0), ([], []), ([0.5] * 2, [1.0, float("nan")])],
)
def test_bad_arguments(mean, std):
    with pytest.raises(ValueError, match="Received: .*std="):
        Normalize(mean, std)


def test_wrong_number_of_channels(unit, see):
    with pytest.raises(ValueError, match=r"Normalize holds 2 channels.*\(4, 20, 16, 3\)"):
        see(Normalize([0.5, 0.5], [0.5, 0.5]), unit)


def test_conforms():
    check_view(Normalize([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]), image_size=6)
