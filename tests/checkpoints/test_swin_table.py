import numpy as np
import pytest

from keras_ssl.checkpoints import map_weights, swin_table
from keras_ssl.encoders import Swin
from keras_ssl.hub import named_weights

DEPTHS = (1, 2, 1, 1)
TINY = {"width": 4, "depths": DEPTHS, "heads": (1, 1, 1, 1), "window": 2}


def published_keys(blocks="layers", downsample=0):
    """The keys of the authors' Swin without its classifier, in no order; timm joins places one stage later."""
    keys = {"patch_embed.proj", "patch_embed.norm", "norm"}
    layers = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    names = [f"{blocks}.{stage}.blocks.{number}" for stage, depth in enumerate(DEPTHS) for number in range(depth)]
    keys |= {f"{name}.{layer}" for name in names for layer in layers}
    keys |= {f"{blocks}.{stage + downsample}.downsample.norm" for stage in range(3)}
    keys = {f"{key}.{leaf}" for key in keys for leaf in ("weight", "bias")}
    keys |= {f"{blocks}.{stage + downsample}.downsample.reduction.weight" for stage in range(3)}
    return keys | {f"{name}.attn.relative_position_bias_table" for name in names}


def openmmlab(key):
    """OpenMMLab's name of a weight."""
    for old, new in (
        ("patch_embed.proj", "patch_embed.projection"),
        ("layers.", "stages."),
        ("attn.", "attn.w_msa."),
        ("mlp.fc1", "ffn.layers.0.0"),
        ("mlp.fc2", "ffn.layers.1"),
    ):
        key = key.replace(old, new)
    return key.replace("norm.", "norm3.") if key.startswith("norm.") else key


def arrays_of(variables, keys):
    """Arrays of the shapes that a file would have, with numbers of their own."""
    rng, made = np.random.default_rng(0), {}
    for key, weight in swin_table(variables).weights.items():
        shape = tuple(variables[weight.name].shape)
        shape = (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else shape
        made[keys(key)] = rng.normal(size=shape[::-1] if weight.name.endswith("dense/kernel") else shape)
        if weight.name.endswith(("qkv/kernel", "projection/kernel", "mlp1/kernel", "mlp2/kernel")):
            made[keys(key)] = made[keys(key)].T
    return made


def later(key):
    """timm's name."""
    parts = key.split(".")
    return ".".join([parts[0], str(int(parts[1]) + 1), *parts[2:]]) if ".downsample." in key else key


def test_keys_are_the_authors():
    names = named_weights(Swin(**TINY))
    table = swin_table(names)
    assert set(table.weights) == published_keys()
    assert sorted(weight.name for weight in table.weights.values()) == sorted(names)


def test_files_of_timm_and_openmmlab_give_the_same_weights():
    variables = named_weights(Swin(**TINY))
    plain, timm = arrays_of(variables, str), arrays_of(variables, later)
    assert set(timm) == published_keys(downsample=1)
    other = arrays_of(variables, openmmlab)
    for key, array in other.items():  # channel by channel, its four places row by row
        if ".downsample." in key:
            stacked = array.reshape(*array.shape[:-1], 2, 2, -1)  # column, row, channel
            other[key] = np.moveaxis(stacked, (-1, -2, -3), (-3, -2, -1)).reshape(array.shape)
    expected = map_weights(plain, swin_table(variables, plain), variables, "swin.pth")
    for arrays in (timm, other):
        mapped = map_weights(arrays, swin_table(variables, arrays), variables, "swin.pth")
        for name, array in mapped.items():
            np.testing.assert_array_equal(array, expected[name])
    reduction = plain["layers.1.downsample.reduction.weight"]
    np.testing.assert_array_equal(expected["stage3_downsample_dense/kernel"], reduction.T)
    table = plain["layers.2.blocks.0.attn.relative_position_bias_table"]
    np.testing.assert_array_equal(expected["stage3_block1_attention/position_bias"], table)
    kernel = plain["patch_embed.proj.weight"]
    assert expected["patch_embedding/kernel"][1, 2, 0, 3] == kernel[3, 0, 1, 2]


def test_what_else_files_hold_is_left_out():
    variables = named_weights(Swin(**TINY))
    arrays = arrays_of(variables, str)
    more = ["layers.0.blocks.0.attn.relative_position_index", "layers.1.blocks.1.attn_mask", "mask_token", "queue1"]
    more += ["masked_embed", "head.weight", "head_dense.mlp.0.weight", "decoder.0.weight", "projector_k.0.weight"]
    assert len(map_weights({**arrays, **dict.fromkeys(more, np.ones(2))}, swin_table(variables), variables, "x"))
    with pytest.raises(ValueError, match="absolute_pos_embed"):  # which the encoder has no place for
        map_weights({**arrays, "absolute_pos_embed": np.ones(2)}, swin_table(variables), variables, "x")


@pytest.mark.parametrize(
    "name",
    [
        "stage5_block1_qkv/kernel",
        "stage1_block1_attention/bias",
        "patch_position/kernel",
        "stage1_downsample_norm/beta",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"`names` must be those of a Swin's weights. Received: name='{name}'"):
        swin_table(["patch_norm/beta", name])
