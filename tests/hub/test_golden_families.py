"""For each family of published weights, a small model with stored features: what breaks those weights fails here.

The weights follow from their published names; PyTorch gave the features (in its own environment,
`tests/parity/make_files.py --golden`).
"""

import json
from functools import cache

import keras
import numpy as np
import pytest

from keras_ssl import encoders
from keras_ssl.hub import Card, catalogue, load_checkpoint
from tests.checkpoints.published import write
from tests.parity.draw import draw
from tests.parity.families import FAMILIES, GOLDEN, SMALLER, golden_images

ON_BOTH = ("dinov2_vitg14_reg4", "ijepa_vith14")
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where two families are checked"
)


def marks_of(name):
    if name in ON_BOTH:
        return ()
    return (on_tensorflow, pytest.mark.slow) if "200" in name else on_tensorflow


@cache
def golden():
    return dict(np.load(GOLDEN))


def of_card(name):
    """The entry's encoder, made smaller."""
    if FAMILIES[name].encoder is not None:
        return getattr(encoders, FAMILIES[name].encoder)(**FAMILIES[name].smaller)
    card = Card.read(catalogue.data_folder("zoo") / f"{name}.toml")
    return card.build_encoder(**FAMILIES[name].smaller)


def weights_of(name):
    return {key: draw(key, shape) for key, shape in json.loads(str(golden()[f"{name}_shapes"])).items()}


def apart(name, encoder, size):
    """The largest difference of a feature."""
    actual = keras.ops.convert_to_numpy(encoder(golden_images(*size, FAMILIES[name].bands), training=False))
    return np.abs(actual - golden()[f"{name}_{size[0]}x{size[1]}"]).max()


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks_of(name)) for name in SMALLER])
def test_features_are_those_that_pytorch_gave(tmp_path, name):
    encoder = of_card(name)
    write(tmp_path / "weights.pth", weights_of(name))
    load_checkpoint(encoder, tmp_path / "weights.pth")
    assert len(FAMILIES[name].sizes) == 2
    for size in FAMILIES[name].sizes:
        assert apart(name, encoder, size) < 1e-4


@on_tensorflow
def test_a_planted_fault_is_found(tmp_path):
    name = "mae_vitb16"
    encoder = of_card(name)
    weights = weights_of(name)
    weights["blocks.1.attn.qkv.bias"] = np.roll(weights["blocks.1.attn.qkv.bias"], 24)  # queries, keys, values
    write(tmp_path / "weights.pth", weights)
    load_checkpoint(encoder, tmp_path / "weights.pth")
    assert apart(name, encoder, (32, 32)) > 1e-2
