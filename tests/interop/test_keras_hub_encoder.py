import sys

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders.token_encoder import TokenEncoder
from keras_ssl.interop.keras_hub_encoder import KerasHubEncoder
from tests.hub.entries import export_quietly
from tests.interop.backbones import deit, dinov2, vit

pytestmark = pytest.mark.interop
X = np.random.RandomState(0).rand(4, 16, 16, 3).astype("float32")


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def given(backbone):
    """What the backbone itself gives."""
    name = backbone.input_names[0] if hasattr(backbone, "input_names") else "images"
    return numbers(backbone({name: X} if isinstance(backbone.input, dict) else X))


@pytest.mark.parametrize(
    "make, prefix",
    [
        (dinov2, 1),
        (lambda: dinov2(num_register_tokens=3, use_swiglu_ffn=True), 4),
        (vit, 1),
        (lambda: vit(use_class_token=False), 0),
        (deit, 2),
    ],
    ids=["dinov2", "dinov2_registers_swiglu", "vit", "vit_without_class_token", "deit"],
)
def test_it_is_the_backbone_as_a_token_encoder(make, prefix):
    backbone = make()
    encoder = KerasHubEncoder(backbone)
    tokens = encoder.tokens(X)
    assert isinstance(encoder, TokenEncoder) and (encoder.prefix, encoder.token_width) == (prefix, 16)
    assert tuple(tokens.shape) == (4, prefix + 16, 16) and encoder.grid(X.shape) == (4, 4)
    expected = given(backbone)
    np.testing.assert_allclose(numbers(encoder.encode(tokens)), expected, atol=1e-5)
    features = expected[:, 0] if prefix else expected.mean(1)
    np.testing.assert_allclose(numbers(encoder(X)), features, atol=1e-5)
    np.testing.assert_allclose(numbers(encoder.pool(encoder.encode(tokens))), features, atol=1e-5)


def test_poolings():
    backbone = dinov2(num_register_tokens=2)
    expected = given(backbone)
    mean = expected[:, 3:].mean(1)
    np.testing.assert_allclose(numbers(KerasHubEncoder(backbone, "mean")(X)), mean, atol=1e-5)
    both = np.concatenate([expected[:, 0], mean], 1)
    np.testing.assert_allclose(numbers(KerasHubEncoder(backbone, "class_mean")(X)), both, atol=1e-5)
    with pytest.raises(ValueError, match="`pooling` must be .* Received: pooling='max'"):
        KerasHubEncoder(backbone, "max")
    with pytest.raises(ValueError, match="Received: pooling='class'"):
        KerasHubEncoder(vit(use_class_token=False), "class")


@pytest.mark.parametrize("make", [dinov2, vit])
def test_kept_tokens_are_encoded_as_if_there_were_no_others(make):
    encoder = KerasHubEncoder(make())
    tokens = encoder.tokens(X)
    keep = np.array([[0, 5, 9], [1, 2, 3], [15, 4, 8], [7, 6, 5]], "int32")
    found = numbers(encoder.encode(tokens, keep))
    for row in range(4):
        alone = keras.ops.concatenate(
            [tokens[row : row + 1, :1], *(tokens[row : row + 1, 1 + k : 2 + k] for k in keep[row])], axis=1
        )
        np.testing.assert_allclose(found[row], numbers(encoder.encode(alone))[0], atol=1e-5)


def test_its_weights_are_the_backbones_own():
    backbone = dinov2()
    encoder = KerasHubEncoder(backbone)
    assert {id(variable) for variable in encoder.weights} == {id(variable) for variable in backbone.weights}
    assert len(encoder.weights) == len({id(variable) for variable in encoder.weights})
    assert encoder.backbone is backbone
    assert not any("mask_token" in variable.path for variable in encoder.trainable_variables)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["MAE", "SimCLR", "BYOL"])
def test_pretraining_trains_the_backbone(method):
    backbone = dinov2()
    encoder = KerasHubEncoder(backbone)
    options = {
        "MAE": {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2},
        "SimCLR": {"projector": (16, 8)},
        "BYOL": {"projector": (16, 8), "predictor": (16, 8), "momentum": 0.5},
    }[method]
    model = getattr(keras_ssl, method)(encoder, **options)
    model.compile(keras.optimizers.SGD(0.1))
    before = [np.array(numbers(variable)) for variable in backbone.trainable_variables]
    images = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
    loss = model.fit(images, batch_size=4, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    after = backbone.trainable_variables
    still = [new.path for old, new in zip(before, after, strict=True) if np.array_equal(old, numbers(new))]
    assert all("key/bias" in path for path in still)  # which shifts all logits of a query alike


def test_it_is_made_again_from_its_configuration():
    encoder = KerasHubEncoder(dinov2(num_register_tokens=1), "class_mean", name="mine")
    config = keras.saving.serialize_keras_object(encoder)
    again = keras.saving.deserialize_keras_object(config)
    again.set_weights(encoder.get_weights())
    assert isinstance(again, KerasHubEncoder) and again.name == "mine" and again.prefix == 2
    np.testing.assert_allclose(numbers(again(X)), numbers(encoder(X)), atol=1e-6)


@pytest.mark.parametrize("name", [None, "mine"])
def test_it_is_an_entry_that_loads(tmp_path, monkeypatch, name):
    monkeypatch.setattr(sys.modules["keras_ssl.hub.export"], "_write_saved_model", lambda *arguments: None)
    encoder = KerasHubEncoder(dinov2(name=name))
    entry = export_quietly(encoder, tmp_path / "entry")
    loaded = keras_ssl.load(entry, include_preprocessing=False)
    np.testing.assert_allclose(numbers(loaded(X)), numbers(encoder(X)), atol=1e-6)


def test_what_does_not_suit_is_said():
    with pytest.raises(ValueError, match="drop path takes no batches in training. Received: drop_path_rate=0.1"):
        KerasHubEncoder(dinov2(drop_path_rate=0.1))
    with pytest.raises(ValueError, match="must have square patches. Received: patch_size=\\(4, 8\\)"):
        KerasHubEncoder(vit(patch_size=(4, 8)))
    with pytest.raises(ValueError, match="must be one of .* Received: backbone=ConvNet"):
        KerasHubEncoder(keras_ssl.encoders.ConvNet((4,)))
