import keras
import pytest

import keras_ssl
from keras_ssl.training.encoder_rates import encoder_blocks, encoder_rates


def test_of_a_vision_transformer():
    encoder = keras_ssl.encoders.ViT("Ti", 4, width=8, depth=3, heads=2, image_size=8, layer_scale=0.1, drop_path=0.1)
    rates = encoder_rates(encoder, 0.5)
    assert set(rates) == {variable.path for variable in encoder.trainable_variables}
    for path, rate in rates.items():
        if path.startswith("block"):
            assert rate == 0.5 ** (4 - int(path[5]))
        else:
            assert rate == (1.0 if path.startswith("norm/") else 0.5**4), path


def test_of_a_resnet():
    encoder = keras_ssl.encoders.ResNet(18, width=0.125, stem="cifar")
    rates = encoder_rates(encoder, 0.5)
    assert set(rates) == {variable.path for variable in encoder.trainable_variables}
    assert rates["stem_conv/kernel"] == 0.5**9
    assert rates["stage1_block1_conv1/kernel"] == rates["stage1_block1_bn2/gamma"] == 0.5**8
    assert rates["stage2_block1_shortcut_conv/kernel"] == rates["stage2_block1_conv1/kernel"] == 0.5**6
    assert rates["stage4_block2_conv2/kernel"] == 0.5


def test_of_a_network_without_names_of_blocks():
    layers = [
        keras.layers.Normalization(mean=[0.0] * 3, variance=[1.0] * 3),
        keras.layers.Dense(4, name="a"),
        keras.layers.BatchNormalization(name="b"),
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="c"), keras.layers.ReLU()]),
    ]
    encoder = keras.Sequential([keras.Input((3,)), *layers])
    rates = {
        path.split("/")[-2] + "/" + path.split("/")[-1]: rate for path, rate in encoder_rates(encoder, 0.5).items()
    }
    assert rates == {"a/kernel": 0.25, "a/bias": 0.25, "b/gamma": 0.25, "b/beta": 0.25, "c/kernel": 0.5, "c/bias": 0.5}
    layers[1].trainable = False  # a frozen block keeps its place
    rates = {path.split("/")[-2]: rate for path, rate in encoder_rates(encoder, 0.5).items()}
    assert rates == {"b": 0.25, "c": 0.5}


def test_of_a_loaded_entry_they_are_those_of_its_encoder():
    whole, bare = keras_ssl.load("barlow_digits"), keras_ssl.load("barlow_digits", include_preprocessing=False)
    assert sorted(encoder_rates(whole, 0.7).values()) == sorted(encoder_rates(bare, 0.7).values())
    assert len(encoder_blocks(whole)[1]) == 4
    assert set(encoder_rates(whole, 1.0).values()) == {1.0}


def test_rejects():
    encoder = keras_ssl.encoders.ConvNet((4,))
    for decay in (0.0, 1.5, float("nan"), True):
        with pytest.raises(ValueError, match="`decay` must lie in .*Received: decay="):
            encoder_rates(encoder, decay)
    encoder.trainable = False
    with pytest.raises(ValueError, match="`encoder` must have trainable variables. Received: encoder="):
        encoder_rates(encoder)
