import numpy as np
import pytest

from keras_ssl.encoders.scattering_net import ScatteringNet
from keras_ssl.testing.check_encoder import check_encoder


@pytest.mark.slow
def test_keeps_the_contract_of_encoders():
    check_encoder(lambda: ScatteringNet((4, 6), 1, 4, 1), input_shape=(16, 16, 3), stable_names=True)


def test_only_the_adapter_learns():
    encoder = ScatteringNet((4,), 1, 4, 1)
    names = {w.path.split("/")[-2] for w in encoder.trainable_weights}
    assert names == {"scattering_bn", "block1_conv", "block1_bn"}


@pytest.mark.slow
def test_the_feature_map_is_as_coarse_as_the_scales():
    encoder = ScatteringNet((4,), 2, 4, 1, pooling=None)
    assert tuple(encoder(np.zeros((2, 16, 24, 3), "float32")).shape) == (2, 4, 6, 4)


def test_errors():
    with pytest.raises(ValueError, match="widths.*Received: widths="):
        ScatteringNet(())
