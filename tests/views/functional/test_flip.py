import numpy as np
import pytest
from keras import ops

from keras_ssl.views.functional import flip


@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
def test_equals_torchvision_where_the_flag_is_set(golden, unit, direction):
    got = ops.convert_to_numpy(flip(unit, [True, False, True, False], direction))
    np.testing.assert_array_equal(got[0::2], golden[f"flip/{direction}"][0::2])
    np.testing.assert_array_equal(got[1::2], unit[1::2])


def test_any_number_of_channels(unit):
    np.testing.assert_array_equal(ops.convert_to_numpy(flip(unit[..., :2], [True] * 4)), unit[:, :, ::-1, :2])
