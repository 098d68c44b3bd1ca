import numpy as np
from keras import ops

from keras_ssl.views.functional import normalize


def test_equals_torchvision(golden, unit):
    got = ops.convert_to_numpy(normalize(unit, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    np.testing.assert_allclose(got, golden["normalize"], rtol=0, atol=1e-6)
