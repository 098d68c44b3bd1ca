import numpy as np
import pytest
from keras import ops

from keras_ssl.views.functional import solarize


@pytest.mark.parametrize("threshold", [0.25, 0.5])
def test_equals_torchvision(golden, unit, threshold):
    np.testing.assert_array_equal(ops.convert_to_numpy(solarize(unit, threshold)), golden[f"solarize/{threshold}"])


def test_one_half_is_128_on_uint8(golden, unit):
    got = ops.convert_to_numpy(solarize(unit, 0.5)) * 255.0
    np.testing.assert_allclose(got, golden["solarize_uint8"].astype("float32"), atol=1e-4)
