"""Encoders as backbones of keras-hub."""

from typing import Any

import keras
import numpy as np

from keras_ssl.encoders.resnet import ResNet
from keras_ssl.encoders.rotary_vit import RotaryViT
from keras_ssl.encoders.vit import ViT
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["to_keras_hub"]


def to_keras_hub(encoder: keras.Model, *, image_size: int | None = None) -> keras.Model:
    """The backbone of keras-hub that has the same architecture as an encoder, with a copy of its weights.

    For the same images it gives the same numbers, to rounding: the last feature map of a `ResNet`, all tokens of a
    transformer, before they are pooled. Pixels are prepared as for the encoder (`keras_ssl.preprocessing`). The
    backbone is in float32 and has no drop path.

    - A `ResNet` of width 1 and the stem "imagenet" is a `ResNetBackbone`.
    - A `ViT` without layer scale, registers and SwiGLU is a `ViTBackbone`; with one of these, a `DINOV2Backbone` (where
      there is no layer scale it multiplies by 1). Positions are interpolated once, to the size of its images.
    - A `RotaryViT` in the convention of DINOv3 is a `DINOV3Backbone`.

    Transformers are made for images of one size.

    Args:
        encoder: a built encoder of `keras_ssl.encoders`, such as `keras_ssl.load(name, include_preprocessing=False)`.
        image_size: side in pixels of the backbone's images. Defaults to None: the encoder's `input_shape`, and of a
            `ViT` that takes any size, the one that its positions are made for. A `RotaryViT` of any size needs it.

    Returns:
        A `keras_hub.models.Backbone`, for its tasks and `save_to_preset`.

    Raises:
        ImportError: without keras-hub.
        ValueError: if keras-hub has no such architecture, or `image_size` does not suit it.

    Example:

    ```python
    encoder = keras_ssl.load("dinov2_vits14", include_preprocessing=False)
    backbone = keras_ssl.interop.to_keras_hub(encoder, image_size=224)  # a DINOV2Backbone
    ```
    """
    if image_size is not None:
        image_size = check_integer("image_size", image_size, 1)
    makers = {ResNet: _resnet, ViT: _vit, RotaryViT: _rotary_vit}
    if type(encoder) not in makers:
        raise _no_such(encoder, f"it has those of {', '.join(kind.__name__ for kind in makers)}")
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError("to_keras_hub needs keras-hub: pip install 'keras_ssl[interop]'") from error
    return makers[type(encoder)](encoder, keras_hub.models, image_size)


def _no_such(encoder: keras.Model, why: str) -> ValueError:
    return ValueError(
        f"`encoder` must have an architecture that keras-hub has; {why}. Received: encoder={type(encoder).__name__}"
    )


def _resnet(encoder: Any, models: Any, image_size: int | None) -> keras.Model:
    for name, needed in (("width", 1), ("stem", "imagenet"), ("pool_padding", "symmetric")):
        if getattr(encoder, name) != needed:
            raise _no_such(encoder, f"its ResNet has {name}={needed!r} and not {getattr(encoder, name)!r}")
    counts = [0, 0, 0, 0]
    for layer in encoder.layers:
        if layer.name.startswith("stage") and layer.name.endswith("_conv1"):
            counts[int(layer.name[5]) - 1] += 1
    sides = encoder.image_shape[:2] if image_size is None else (image_size, image_size)
    backbone = models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=counts,
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="bottleneck_block" if encoder.depth >= 50 else "basic_block",
        image_shape=(*sides, encoder.image_shape[2]),
        data_format="channels_last",
        dtype="float32",
    )
    for layer in encoder.layers:
        if layer.weights:
            backbone.get_layer(_resnet_name(layer.name)).set_weights(layer.get_weights())
    return backbone


def _resnet_name(name: str) -> str:
    """keras-hub's name of a layer: it counts stages and blocks from 0, and calls the shortcut 0."""
    *place, last = name.split("_")
    kind, number = last.rstrip("0123456789"), last[-1]
    if place[0] == "stem":
        return f"conv1_{kind}"
    stack, block = int(place[0].removeprefix("stage")) - 1, int(place[1].removeprefix("block")) - 1
    return f"stack{stack}_block{block}_{0 if place[-1] == 'shortcut' else number}_{kind}"


def _vit(encoder: Any, models: Any, image_size: int | None) -> keras.Model:
    scaled = encoder.layer_scale is not None
    dino = scaled or encoder.registers > 0 or encoder.mlp == "swiglu"
    for wrong, why in (
        (encoder.mlp == "gelu_tanh", "its vision transformers have the exact GELU, not mlp='gelu_tanh'"),
        (encoder.causal, "its vision transformers are not causal"),
        (encoder.pooling == "attention", "its backbones have no pooling='attention'"),
        (dino and not encoder.class_token, "its DINOV2Backbone has a class token"),
    ):
        if wrong:
            raise _no_such(encoder, why)
    common = _transformer(encoder, image_size, encoder.image_size, square=dino)
    height, width, _ = common["image_shape"]
    hidden = int(encoder.token_width * encoder.mlp_ratio)  # of SwiGLU, the backbone narrows it as the encoder does
    positions = _positions(encoder, height // encoder.patch_size, width // encoder.patch_size)
    own = encoder.get_layer("tokens")
    if dino:
        backbone = models.DINOV2Backbone(
            **common,
            intermediate_dim=hidden,
            layer_scale_init_value=encoder.layer_scale if scaled else 1.0,
            num_register_tokens=encoder.registers,
            use_mask_token=False,
            use_swiglu_ffn=encoder.mlp == "swiglu",
            position_embedding_shape=common["image_shape"],
            antialias_in_interpolation=encoder.interpolate_antialias,
        )
        embedding, blocks, last = backbone.embeddings, backbone.encoder.layers, backbone.layernorm
        _assign(embedding.position_embeddings, positions)
        _assign(embedding.interpolated_position_embeddings, positions)
        _copy_own_tokens(own, embedding)
        patches = embedding.patch_embeddings.projection
    else:
        backbone = models.ViTBackbone(**common, mlp_dim=hidden, use_class_token=encoder.class_token)
        embedding, trunk = backbone.get_layer("vit_patching_and_embedding"), backbone.get_layer("vit_encoder")
        blocks, last, patches = trunk.encoder_layers, trunk.layer_norm, embedding.patch_embedding
        _put(embedding.position_embedding, [positions])
        if encoder.class_token:
            _assign(embedding.class_token, own.class_token)
    _copy_trunk(encoder, patches, blocks, last)
    return backbone


def _rotary_vit(encoder: Any, models: Any, image_size: int | None) -> keras.Model:
    for name, needed in (("rotary", "dinov3"), ("norm", "layer"), ("final_scale", True), ("class_token", True)):
        if getattr(encoder, name) != needed:
            raise _no_such(encoder, f"its DINOV3Backbone has {name}={needed!r} and not {getattr(encoder, name)!r}")
    if encoder.mlp == "gelu_tanh":
        raise _no_such(encoder, "its DINOV3Backbone has the exact GELU, not mlp='gelu_tanh'")
    if image_size is None and None in encoder.image_shape[:2]:
        raise ValueError("`image_size` must be given for an encoder of any size. Received: image_size=None")
    common = _transformer(encoder, image_size, None, square=False)
    gated = encoder.mlp == "swiglu"
    backbone = models.DINOV3Backbone(
        **common,
        intermediate_dim=encoder.get_layer("block1_mlp2").kernel.shape[0],
        layer_scale_init_value=1.0 if encoder.layer_scale is None else encoder.layer_scale,
        num_register_tokens=encoder.registers,
        use_mask_token=False,
        hidden_activation="silu" if gated else "gelu",
        use_gated_mlp=gated,
        **{f"use_{name}_bias": encoder.qkv_bias for name in ("query", "key", "value")},
        **{f"use_{name}_bias": encoder.bias for name in ("proj", "mlp")},
        layer_norm_eps=encoder.norm_epsilon,
        rope_theta=encoder.rotary_base,
    )
    frequencies = _numbers(backbone.rope_embedding.inv_freq)
    if not np.allclose(1.0 / _numbers(encoder.get_layer("rope").table), frequencies, rtol=1e-5):
        raise _no_such(encoder, "its DINOV3Backbone computes the periods of positions, and the encoder's are others")
    _copy_own_tokens(encoder.get_layer("tokens"), backbone.embeddings)
    patches = backbone.embeddings.patch_embeddings.projection
    _copy_trunk(encoder, patches, backbone.encoder.layers, backbone.layernorm)
    return backbone


def _transformer(encoder: Any, image_size: int | None, usual: int | None, square: bool) -> dict[str, Any]:
    """The arguments that all transformers of keras-hub take; `usual` is the side of images where none is known."""
    height, width = ((side or usual) if image_size is None else image_size for side in encoder.image_shape[:2])
    patch = encoder.patch_size
    if height % patch or width % patch or (square and height != width):
        raise ValueError(
            f"`image_size` must be a multiple of {patch}{', the same for both sides' if square else ''}. "
            f"Received: images of {height} x {width} pixels"
        )
    return {
        "image_shape": (height, width, encoder.image_shape[2]),
        "patch_size": patch,
        "num_layers": sum(layer.name.endswith("_qkv") for layer in encoder.layers),
        "num_heads": encoder.get_layer("block1_attention").heads,
        "hidden_dim": encoder.token_width,
        "data_format": "channels_last",
        "dtype": "float32",
    }


def _copy_own_tokens(own: Any, embedding: Any) -> None:
    """Class token and registers of a backbone of DINO's kin."""
    _assign(embedding.cls_token, own.class_token)
    if own.registers is not None:
        _assign(embedding.register_tokens, own.registers)


def _copy_trunk(encoder: Any, patches: Any, blocks: Any, last: Any) -> None:
    _put(patches, encoder.get_layer("patch_embedding").get_weights())
    _put(last, encoder.get_layer("norm").get_weights())
    for number, block in enumerate(blocks, 1):
        weights = {
            layer.name.removeprefix(f"block{number}_"): layer.get_weights()
            for layer in encoder.layers
            if layer.name.startswith(f"block{number}_")
        }
        for part, layer in _block_layers(block).items():
            name, _, piece = part.partition(":")
            if piece:  # of a layer that computes several at once, one after the other
                place, count = map(int, piece.split("/"))
                _put(layer, [np.split(array, count, axis=-1)[place] for array in weights[name]])
            elif name in weights:  # without a layer scale, the backbone's stays at 1
                _put(layer, weights[name])


def _block_layers(block: Any) -> dict[str, Any]:
    """The layers of a block by the encoder's names; `qkv:0/3` is the first third of `qkv`."""
    if hasattr(block, "mha"):
        found = {"norm1": block.layer_norm_1, "norm2": block.layer_norm_2}
        attention = block.mha
    else:
        found = {"norm1": block.norm1, "norm2": block.norm2}
        found |= {"scale1": block.layer_scale1, "scale2": block.layer_scale2}
        attention = getattr(block.attention, "attention", block.attention)
    found["projection"] = attention.output_dense
    for place, name in enumerate(("query", "key", "value")):
        found[f"qkv:{place}/3"] = getattr(attention, f"{name}_dense")
    mlp = block.mlp
    if hasattr(mlp, "gate_proj"):
        return found | {"mlp1:0/2": mlp.gate_proj, "mlp1:1/2": mlp.up_proj, "mlp2": mlp.down_proj}
    pairs = (("dense_1", "dense_2"), ("fc1", "fc2"), ("weights_in", "weights_out"), ("up_proj", "down_proj"))
    first, second = next(pair for pair in pairs if hasattr(mlp, pair[0]))
    return found | {"mlp1": getattr(mlp, first), "mlp2": getattr(mlp, second)}


def _put(layer: Any, arrays: list[Any]) -> None:
    """Sets a layer's weights; of attention they are the same numbers with an axis more, that of heads."""
    layer.set_weights([array.reshape(variable.shape) for array, variable in zip(arrays, layer.weights, strict=True)])


def _assign(variable: Any, value: Tensor) -> None:
    variable.assign(_numbers(value).reshape(variable.shape))


def _positions(encoder: Any, rows: int, columns: int) -> Any:
    """The table of positions for a grid, that of the class token first: `[first + rows * columns, D]`."""
    layer = encoder.get_layer("tokens")
    table, first = keras.ops.convert_to_tensor(layer.position), int(encoder.class_token)
    patches = keras.ops.reshape(layer.on_grid(table[first:], rows, columns), (rows * columns, -1))
    return _numbers(keras.ops.concatenate([table[:first], patches], axis=0))


def _numbers(x: Tensor) -> Any:
    return keras.ops.convert_to_numpy(x)
