"""The networks of timm, read under timm's own names, give the features that timm gives: see `parity_timm`."""

import keras
import numpy as np
import pytest

from keras_ssl import encoders
from keras_ssl.hub import load_checkpoint
from tests.checkpoints.published import write
from tests.encoders.parity_timm import CASES, GOLDEN, images, sides, weights

ON_BOTH = ("dinov3_plus", "convnextv2")


@pytest.mark.parametrize("case", CASES)
def test_features_are_those_of_timm(tmp_path, case):
    if keras.backend.backend() != "tensorflow" and case not in ON_BOTH:
        pytest.skip("takes long to compile on JAX, where two networks are compared")
    golden = np.load(GOLDEN)
    encoder = getattr(encoders, CASES[case][2])(**CASES[case][3])
    write(tmp_path / "timm.pth", weights(golden, case))
    load_checkpoint(encoder, tmp_path / "timm.pth")
    for size in sides(case):
        actual = keras.ops.convert_to_numpy(encoder(images(case, size), training=False))
        expected = golden[f"{case}_{size[0]}x{size[1]}"]
        assert expected.std() > 0.5
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)
