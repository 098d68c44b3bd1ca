import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, map_weights, rotary_vit_table
from keras_ssl.checkpoints.rotary_vit_table import joined_weights
from keras_ssl.encoders import RotaryViT
from keras_ssl.hub import named_weights

TINY = {"patch_size": 4, "width": 16, "depth": 1, "heads": 2}
DINOV3 = {"cls_token", "register_tokens", "patch_embed.proj.weight", "patch_embed.proj.bias", "norm.weight"}
DINOV3 |= {"norm.bias", "rope_embed.periods"}
DINOV3 |= {
    f"blocks.0.{layer}.{leaf}"
    for layer in ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    for leaf in ("weight", "bias")
}


def test_keys_are_dinov3s():
    encoder = RotaryViT(**TINY, layer_scale=1e-5)
    assert set(rotary_vit_table(named_weights(encoder)).weights) == DINOV3 | {
        "blocks.0.ls1.gamma",
        "blocks.0.ls2.gamma",
    }


def test_capis_encoders_have_a_table_of_frequencies_in_each_block_and_no_biases():
    arguments = {"norm": "rms", "final_scale": False, "qkv_bias": False, "bias": False, "class_token": False}
    encoder = RotaryViT(**TINY, **arguments, rotary="capi", pooling="mean")
    expected = {key for key in DINOV3 if not key.endswith("bias") and not key.startswith(("cls", "norm", "rope"))}
    assert set(rotary_vit_table(named_weights(encoder)).weights) == expected | {
        "patch_embed.proj.bias",
        "blocks.0.rope.freqs",
    }


@pytest.mark.parametrize("name", ["rope/frequencies", "block1_rope/periods", "tokens/mask", "stem_conv/kernel"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"Received: name='{name}'"):
        rotary_vit_table({"tokens/class_token": None, name: None})


def test_parts_are_joined_in_their_order():
    parts = {name: np.full((2, 3), number) for number, name in enumerate(("q", "k", "v", "w1", "w2", "g", "x"))}
    arrays = {f"encoder.blocks.0.residual1.fn.{name}_proj.weight": parts[name] for name in "kqv"}
    arrays |= {"blocks.0.mlp.w2.weight": parts["w2"], "blocks.0.mlp.w1.weight": parts["w1"]}
    arrays |= {"blocks.1.mlp.fc1_g.weight": parts["g"], "blocks.1.mlp.fc1_x.weight": parts["x"]}
    arrays |= {"blocks.0.attn.q_bias": np.ones(2), "blocks.0.attn.v_bias": np.full(2, 3.0), "other": np.ones(1)}
    arrays |= {"blocks.1.attn.qkv.bias": np.ones(6), "blocks.1.attn.qkv.bias_mask": np.array([1, 1, 0, 0, 1, 1.0])}
    joined = joined_weights(arrays)
    assert joined["encoder.blocks.0.residual1.fn.qkv.weight"][:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert joined["blocks.0.mlp.w12.weight"][:, 0].tolist() == [3, 3, 4, 4]
    assert joined["blocks.1.mlp.fc1.weight"][:, 0].tolist() == [5, 5, 6, 6]
    assert joined["blocks.0.attn.qkv.bias"].tolist() == [1, 1, 0, 0, 3, 3]
    assert joined["blocks.1.attn.qkv.bias"].tolist() == [1, 1, 0, 0, 1, 1]
    assert len(joined) == 6


def test_what_lacks_a_part_stays_and_is_told():
    """A part that is missing or of another shape, and a mask that does not fit."""
    arrays = {"blocks.0.mlp.w1.weight": np.ones((2, 3)), "blocks.0.attn.q_bias": np.ones(2)}
    arrays |= {"blocks.1.mlp.w1.weight": np.ones((2, 3)), "blocks.1.mlp.w2.weight": np.ones((3, 3))}
    arrays |= {"blocks.1.attn.qkv.bias": np.ones(6), "blocks.1.attn.qkv.bias_mask": np.ones(3)}
    assert joined_weights(arrays).keys() == arrays.keys()
    variables = {name: np.zeros(v.shape) for name, v in named_weights(RotaryViT(**TINY, mlp="swiglu")).items()}
    with pytest.raises(CheckpointError, match=r"extra: blocks.0.mlp.w1.weight|missing"):
        map_weights(joined_weights(arrays), rotary_vit_table(variables), variables, "dinov3.pth")


def test_a_mask_that_is_not_a_number_spoils_the_bias():
    mask = np.array([1.0, np.nan, 1.0], "float32")
    joined = joined_weights({"a.attn.qkv.bias": np.ones(3, "float32"), "a.attn.qkv.bias_mask": mask})
    assert np.isnan(joined["a.attn.qkv.bias"]).sum() == 1 and joined["a.attn.qkv.bias"].dtype == "float32"
