import numpy as np
import pytest

from keras_ssl.checkpoints import conv_next_table, map_weights
from keras_ssl.encoders import ConvNeXt
from keras_ssl.hub import named_weights

DEPTHS = (1, 2, 1, 1)


def published_keys(version):
    """The keys of the authors' ConvNeXt without its classifier, in no order."""
    keys = {f"downsample_layers.{layer}.{part}" for layer in range(4) for part in (0, 1)} | {"norm"}
    layers = ("dwconv", "norm", "pwconv1", "pwconv2")
    blocks = {f"stages.{stage}.{number}" for stage, depth in enumerate(DEPTHS) for number in range(depth)}
    keys = {f"{key}.{leaf}" for key in keys for leaf in ("weight", "bias")}
    keys |= {f"{block}.{layer}.{leaf}" for block in blocks for layer in layers for leaf in ("weight", "bias")}
    own = ("grn.gamma", "grn.beta") if version == 2 else ("gamma",)
    return keys | {f"{block}.{name}" for block in blocks for name in own}


@pytest.mark.parametrize("version", [1, 2])
def test_keys_are_the_authors(version):
    names = named_weights(ConvNeXt(width=4, depths=DEPTHS, version=version))
    table = conv_next_table(names)
    assert set(table.weights) == published_keys(version)
    assert sorted(weight.name for weight in table.weights.values()) == sorted(names)


def test_kernels_and_norms_take_their_places():
    rng = np.random.default_rng(0)
    names = {"stage1_block1_conv/kernel": (7, 7, 4, 1), "stage1_block1_mlp1/kernel": (4, 16)}
    names |= {"stage1_block1_grn/gamma": (16,), "stem_conv/kernel": (4, 4, 3, 4)}
    variables = {name: np.zeros(shape) for name, shape in names.items()}
    arrays = {
        "stages.0.0.dwconv.weight": rng.normal(size=(4, 1, 7, 7)),
        "stages.0.0.pwconv1.weight": rng.normal(size=(16, 4)),
        "stages.0.0.grn.gamma": rng.normal(size=(1, 1, 1, 16)),
        "downsample_layers.0.0.weight": rng.normal(size=(4, 3, 4, 4)),
        "head.weight": rng.normal(size=(10, 4)),
        "norms.3.weight": rng.normal(size=4),
        "decoder.0.dwconv.weight": rng.normal(size=(4, 1, 7, 7)),
        "mask_token": rng.normal(size=(1, 4, 1, 1)),
    }
    mapped = map_weights(arrays, conv_next_table(variables), variables, "fcmae.pt")
    assert mapped["stage1_block1_conv/kernel"][2, 5, 3, 0] == arrays["stages.0.0.dwconv.weight"][3, 0, 2, 5]
    assert mapped["stage1_block1_mlp1/kernel"][3, 7] == arrays["stages.0.0.pwconv1.weight"][7, 3]
    assert mapped["stage1_block1_grn/gamma"][9] == arrays["stages.0.0.grn.gamma"][0, 0, 0, 9]
    assert mapped["stem_conv/kernel"][1, 2, 0, 3] == arrays["downsample_layers.0.0.weight"][3, 0, 1, 2]


@pytest.mark.parametrize(
    "name",
    ["stage5_block1_conv/kernel", "stage1_block1_conv2/kernel", "stem_bn/gamma", "stage1_downsample_conv/kernel"],
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"`names` must be those of a ConvNeXt's weights. Received: name='{name}'"):
        conv_next_table(["stem_conv/kernel", name])
