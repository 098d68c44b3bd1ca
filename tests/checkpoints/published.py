"""Checkpoints as self-supervised projects lay them out, with drawn weights, and NumPy's features of them.

Key names, shapes and the arithmetic are written down here once more, from the projects' own code, so that nothing of
keras_ssl checks itself.
"""

from functools import cache, reduce
from itertools import pairwise

import numpy as np

from keras_ssl.checkpoints import read_torch
from tests.checkpoints import make_torch_files
from tests.checkpoints.torch_files import array_tensor, zip_file
from tests.encoders.parity_dino import CASES, draw
from tests.encoders.test_resnet import numpy_conv
from tests.encoders.test_token_sequence import interpolated
from tests.encoders.test_vit import gelu, softmax

WIDTH, DEPTH, PATCH, GRID = 24, 3, 4, 8  # those of parity_dino


def write(path, tree):
    """Writes nested dicts of arrays and plain values as `torch.save` does."""
    storages = {}

    def tensors(value):
        if isinstance(value, dict):
            return {key: tensors(inner) for key, inner in value.items()}
        if not isinstance(value, np.ndarray):
            return value
        key = str(len(storages))
        storages[key] = value.tobytes()
        return array_tensor(np.array(value, order="C"), key)

    path.write_bytes(zip_file(tensors(tree), storages))


def vit(layer_scale=False, gated=False, registers=0, class_token=True):
    """A vision transformer's weights under timm's and DINO's names."""
    hidden = 64 if gated else 4 * WIDTH
    shapes = {"cls_token": (1, 1, WIDTH)} if class_token else {}
    shapes |= {"pos_embed": (1, class_token + GRID**2, WIDTH)}
    if registers:
        shapes["register_tokens"] = (1, registers, WIDTH)
    shapes |= {"patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH), "patch_embed.proj.bias": (WIDTH,)}
    layers = {"attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH)}
    layers |= {"mlp.w12" if gated else "mlp.fc1": (hidden * (2 if gated else 1), WIDTH)}
    layers |= {"mlp.w3" if gated else "mlp.fc2": (WIDTH, hidden)}
    for number in range(DEPTH):
        block = f"blocks.{number}"
        for norm in ("norm1", "norm2"):
            shapes |= {f"{block}.{norm}.weight": (WIDTH,), f"{block}.{norm}.bias": (WIDTH,)}
        for layer, shape in layers.items():
            shapes |= {f"{block}.{layer}.weight": shape, f"{block}.{layer}.bias": shape[:1]}
        if layer_scale:
            shapes |= {f"{block}.ls1.gamma": (WIDTH,), f"{block}.ls2.gamma": (WIDTH,)}
    shapes |= {"norm.weight": (WIDTH,), "norm.bias": (WIDTH,)}
    return {key: draw(key, shape) for key, shape in shapes.items()}


def vit_features(weights, images, heads=3, offset=0.0, antialias=False):
    """The class tokens of images `[N, H, W, C]`, or the means of their patches where there is no such token."""
    w = {key: array.astype("float64") for key, array in weights.items()}

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def network(x, block):
        if f"{block}.mlp.fc1.weight" in w:
            return linear(gelu(linear(x, f"{block}.mlp.fc1")), f"{block}.mlp.fc2")
        gate, value = np.split(linear(x, f"{block}.mlp.w12"), 2, axis=-1)
        return linear(gate / (1.0 + np.exp(-gate)) * value, f"{block}.mlp.w3")

    count, height, width, channels = images.shape
    rows, columns = height // PATCH, width // PATCH
    has_class = "cls_token" in w
    position = w["pos_embed"][0, has_class:].reshape(GRID, GRID, WIDTH)
    if (rows, columns) != (GRID, GRID):
        position = interpolated(position, rows, columns, offset, antialias)
    cut = images[:, : rows * PATCH, : columns * PATCH].astype("float64")
    cut = cut.reshape(count, rows, PATCH, columns, PATCH, channels)
    patches = np.einsum("nrpcqi,oipq->nrco", cut, w["patch_embed.proj.weight"]) + w["patch_embed.proj.bias"] + position
    first = w["cls_token"] + w["pos_embed"][:, :1] if has_class else np.zeros((1, 0, WIDTH))
    first = np.broadcast_to(first, (count, *first.shape[1:]))
    registers = w.get("register_tokens", np.zeros((1, 0, WIDTH)))
    x = [first, np.broadcast_to(registers, (count, *registers.shape[1:])), patches.reshape(count, -1, WIDTH)]
    x = np.concatenate(x, axis=1)
    for number in range(DEPTH):
        block = f"blocks.{number}"
        qkv = linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv").reshape(*x.shape[:2], 3, heads, -1)
        q, k, v = np.moveaxis(qkv, (2, 3), (0, 2))
        mixed = softmax(q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])) @ v
        y = linear(np.moveaxis(mixed, 1, 2).reshape(x.shape), f"{block}.attn.proj")
        x = x + y * w.get(f"{block}.ls1.gamma", 1.0)
        x = x + network(norm(x, f"{block}.norm2"), block) * w.get(f"{block}.ls2.gamma", 1.0)
    x = norm(x, "norm")
    return x[:, 0] if has_class else x.mean(1)


def head(prefix, *layers):
    """Something that is not the encoder."""
    return {f"{prefix}.{layer}": np.ones(3, "float32") for layer in layers}


def prefixed(prefix, weights):
    return {f"{prefix}{key}": array for key, array in weights.items()}


def chunked(weights):
    """As DINOv2 numbers blocks while it trains: here one chunk of two blocks and one of one."""
    parts = [key.split(".", 2) for key in weights]
    numbered = [f"blocks.{int(part[1]) // 2}.{part[1]}.{part[2]}" if part[0] == "blocks" else None for part in parts]
    return {new or key: array for new, (key, array) in zip(numbered, weights.items(), strict=True)}


def gated_as_timm(weights):
    return {key.replace(".w12.", ".fc1.").replace(".w3.", ".fc2."): array for key, array in weights.items()}


def as_openmmlab(weights):
    """A vision transformer's weights under OpenMMLab's names."""
    names = (
        ("patch_embed.proj.", "patch_embed.projection."),
        (".norm1.", ".ln1."),
        (".norm2.", ".ln2."),
        (".mlp.fc1.", ".ffn.layers.0.0."),
        (".mlp.fc2.", ".ffn.layers.1."),
    )
    made = {}
    for key, array in weights.items():
        key = f"ln1.{key[5:]}" if key.startswith("norm.") else key.replace("blocks.", "layers.")
        made[reduce(lambda name, pair: name.replace(*pair), names, key)] = array
    return made


DINO_HEAD = ("mlp.0.weight", "mlp.0.bias", "last_layer.weight_g", "last_layer.weight_v")
MLP = ("0.weight", "1.weight", "1.running_mean", "1.num_batches_tracked", "3.weight")

# By family: the weights, how a file holds them, and the arguments of keras_ssl's ViT.
_DINO = CASES["dino"][1]
_DINOV2 = CASES["dinov2"][1]
_REGISTERS = CASES["dinov2_registers"][1]
_SINCOS = _DINO | {"position": "sincos", "interpolate_offset": 0.0}
_GATED = {"layer_scale": True, "gated": True, "registers": 4}
VITS = {
    "dino": ({}, lambda w: w, _DINO),
    "dino, full": (
        {},
        lambda w: {
            "student": prefixed("module.backbone.", w) | head("module.head", *DINO_HEAD),
            "teacher": prefixed("backbone.", w) | head("head", *DINO_HEAD),
            "epoch": 3,
            "dino_loss": {"center": np.zeros((1, 5), "float32")},
        },
        _DINO,
    ),
    "dinov2": ({"layer_scale": True}, lambda w: w | {"mask_token": np.ones((1, WIDTH), "float32")}, _DINOV2),
    "dinov2, training": (
        _GATED,
        lambda w: {
            "teacher": prefixed("backbone.", chunked(w) | {"mask_token": np.ones((1, WIDTH), "float32")})
            | head("dino_head", *DINO_HEAD)
            | head("ibot_head", *DINO_HEAD)
        },
        _REGISTERS,
    ),
    "dinov2, timm": (
        {"layer_scale": True, "gated": True},
        gated_as_timm,
        {key: value for key, value in _REGISTERS.items() if key != "registers"},
    ),
    "mae": (
        {},
        lambda w: {
            "model": w
            | head("decoder_embed", "weight", "bias")
            | head("decoder_blocks.0", "norm1.weight", "attn.qkv.bias")
            | head("decoder_norm", "weight")
            | head("decoder_pred", "bias")
            | {"mask_token": np.ones((1, 1, 16), "float32"), "decoder_pos_embed": np.ones((1, 65, 16), "float32")}
        },
        _SINCOS,
    ),
    "moco v3": (
        {},
        lambda w: {
            "epoch": 300,
            "arch": "vit_small",
            "state_dict": prefixed("module.base_encoder.", w | head("head", *MLP, "7.running_var"))
            | prefixed("module.momentum_encoder.", w | head("head", *MLP))
            | head("module.predictor", *MLP),
        },
        _SINCOS | {"heads": 6},
    ),
    "i-jepa": (
        {"class_token": False},
        lambda w: {
            "encoder": prefixed("module.", {key: array + 1.0 for key, array in w.items()}),
            "predictor": head("module.predictor_blocks.0", "norm1.weight"),
            "opt": {"state": {}},
            "target_encoder": prefixed("module.", w),
            "epoch": 300,
        },
        _SINCOS | {"class_token": False, "pooling": "mean"},
    ),
    "solo-learn": (
        {},
        lambda w: {
            "state_dict": prefixed("backbone.", w)
            | prefixed("momentum_backbone.", w)
            | head("classifier", "weight", "bias")
            | head("head", *DINO_HEAD)
            | head("momentum_head", *DINO_HEAD)
            | head("dino_loss_func", "center")
        },
        _DINO,
    ),
    "ibot": ({}, lambda w: {"state_dict": w | {"masked_embed": np.ones((1, WIDTH), "float32")}}, _DINO),
    "mugs": (
        {},
        lambda w: {"state_dict": w | head("relation_blocks.0", "norm1.weight", "attn.qkv.bias")},
        _DINO,
    ),
    "openmmlab": (
        {},
        lambda w: {
            "meta": {"epoch": 300},
            "state_dict": prefixed("backbone.", as_openmmlab(w))
            | head("neck", "decoder_embed.weight")
            | head("head.predictor", "fc0.weight")
            | head("data_preprocessor", "mean")
            | head("target_generator", "tokenizer.weight")
            | prefixed("momentum_encoder.module.0.", as_openmmlab(w)),
        },
        _SINCOS,
    ),
    "lightly": (
        {},
        lambda w: {
            "state_dict": prefixed("backbone.vit.", w | head("head", "weight", "bias"))
            | {"backbone.mask_token": np.ones((1, 1, WIDTH), "float32")}
            | prefixed("student_backbone.vit.", w)
            | head("projection_head", "layers.0.weight", "last_layer.weight_g")
            | head("student_projection_head", "layers.0.weight")
            | head("online_classifier", "linear.weight")
            | head("criterion", "center.center")
        },
        _DINO,
    ),
}


@cache
def _resnet18():
    return read_torch(make_torch_files.DATA / "resnet18_stream.pt")


def resnet():
    """A ResNet-18's weights under torchvision's names, as PyTorch saved them, and the features that it gave."""
    file = _resnet18()
    weights = {key.removeprefix("module."): array for key, array in file["state_dict"].items()}
    return {key: array for key, array in weights.items() if not key.startswith("fc.")}, file["features"]


def resnet_features(weights, images, stem="imagenet"):
    """The features of images `[N, H, W, C]`."""
    w = {key: array.astype("float64") for key, array in weights.items()}

    def conv_bn(x, conv, norm, strides=1):
        x = numpy_conv(x, w[f"{conv}.weight"].transpose(2, 3, 1, 0), strides)
        x = (x - w[f"{norm}.running_mean"]) / np.sqrt(w[f"{norm}.running_var"] + 1e-5)
        return x * w[f"{norm}.weight"] + w[f"{norm}.bias"]

    x = np.maximum(conv_bn(images.astype("float64"), "conv1", "bn1", 2 if stem == "imagenet" else 1), 0.0)
    if stem != "cifar":
        x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        rows, columns = range(0, x.shape[1] - 2, 2), range(0, x.shape[2] - 2, 2)
        x = np.stack([np.stack([x[:, r : r + 3, c : c + 3].max((1, 2)) for c in columns], 1) for r in rows], 1)
    for stage in range(1, 5):
        for number in range(2):
            block = f"layer{stage}.{number}"
            strides = 2 if stage > 1 and number == 0 else 1
            y = np.maximum(conv_bn(x, f"{block}.conv1", f"{block}.bn1", strides), 0.0)
            y = conv_bn(y, f"{block}.conv2", f"{block}.bn2")
            if f"{block}.downsample.0.weight" in w:
                x = conv_bn(x, f"{block}.downsample.0", f"{block}.downsample.1", strides)
            x = np.maximum(x + y, 0.0)
    return x.mean((1, 2))


def projector(*widths, bias):
    """A PyTorch `Sequential` of linear layers, batch norms and ReLUs, on the ResNet's 16 features."""
    shapes = {}
    for number, (inputs, outputs) in enumerate(pairwise((16, *widths))):
        place, last = 3 * number, number == len(widths) - 1
        shapes[f"{place}.weight"] = (outputs, inputs)
        if bias and not last:
            shapes[f"{place}.bias"] = (outputs,)
        if not last:
            names = ("weight", "bias", "running_mean", "running_var")
            shapes |= {f"{place + 1}.{name}": (outputs,) for name in names}
    return {key: np.abs(draw(key, shape)) for key, shape in shapes.items()}


def numbered(weights, pooled=True):
    """As a `Sequential` of torchvision's children names them, with or without the pooling."""
    places = {"conv1": 0, "bn1": 1} | {f"layer{stage}": 2 + pooled + stage for stage in range(1, 5)}
    parts = [key.split(".", 1) for key in weights]
    return {f"{places[first]}.{rest}": array for (first, rest), array in zip(parts, weights.values(), strict=True)}


# By family: how a file holds the weights.
RESNETS = {
    "barlow twins": lambda w: w,
    "barlow twins, full": lambda w: {
        "epoch": 1000,
        "model": prefixed("module.backbone.", w) | head("module.projector", *MLP) | head("module.bn", "running_mean"),
        "optimizer": {"state": {}},
    },
    "vicreg, full": lambda w: {
        "epoch": 1000,
        "model": prefixed("module.backbone.", w) | head("module.projector", *MLP, "0.bias"),
    },
    "swav": lambda w: (
        prefixed("module.", w) | head("module.projection_head", *MLP) | head("module.prototypes", "weight")
    ),
    "swav, deep cluster": lambda w: {
        "epoch": 400,
        "state_dict": prefixed("module.", w)
        | head("module.projection_head", *MLP)
        | head("module.prototypes", "prototypes0.weight", "prototypes1.weight"),
    },
    "dino": lambda w: w,
    "dino, full": lambda w: {
        "student": prefixed("module.backbone.", w) | head("module.head", *DINO_HEAD),
        "teacher": prefixed("backbone.", w) | head("head", *DINO_HEAD),
    },
    "mixed barlow twins": lambda w: (
        prefixed("f.", numbered(w))
        | head("g", *MLP[:4], "3.weight", "3.bias")
        | {"total_ops": np.zeros(1), "f.4.0.conv1.total_params": np.zeros(1)}
    ),
    "moco v2": lambda w: {
        "state_dict": prefixed("module.encoder_q.", w | head("fc", "0.weight", "2.bias"))
        | prefixed("module.encoder_k.", w | head("fc", "0.weight", "2.bias"))
        | {"module.queue": np.ones((4, 6), "float32"), "module.queue_ptr": np.zeros(1, "int64")}
    },
    "openmmlab": lambda w: {
        "meta": {"epoch": 200},
        "state_dict": prefixed("backbone.", w)
        | head("neck", "fc0.weight", "bn0.running_mean")
        | head("head.predictor", "fc0.weight")
        | head("target_net", "module.0.conv1.weight"),
    },
    "moco v3": lambda w: {
        "state_dict": prefixed("module.base_encoder.", w | head("fc", *MLP))
        | prefixed("module.momentum_encoder.", w | head("fc", *MLP))
        | head("module.predictor", *MLP)
    },
    "solo-learn": lambda w: {
        "state_dict": prefixed("backbone.", w)
        | prefixed("momentum_backbone.", w)
        | head("projector", *MLP)
        | head("momentum_projector", *MLP)
        | head("predictor", *MLP)
        | head("classifier", "weight")
        | head("momentum_classifier", "weight")
        | {"queue": np.ones((4, 6), "float32"), "queue_y": np.ones(4, "int64"), "queue_ptr": np.zeros(1, "int64")}
    },
    "lightly": lambda w: {
        "state_dict": prefixed("backbone.", w)
        | prefixed("query_backbone.", w)
        | head("projection_head", "layers.0.weight", "layers.1.num_batches_tracked")
        | head("query_projection_head", "layers.0.weight")
        | head("criterion", "memory_bank.bank", "memory_bank.bank_ptr")
        | head("online_classifier", "linear.weight")
    },
    "lightly, byol": lambda w: {
        "state_dict": prefixed("backbone.", w)
        | prefixed("student_backbone.", w)
        | head("student_prediction_head", "layers.0.weight")
    },
    "lightly, numbered": lambda w: (
        prefixed("backbone.", numbered(w))
        | prefixed("backbone_momentum.", numbered(w))
        | head("projection_head_momentum", "layers.0.weight")
    ),
    "lightly, numbered teacher": lambda w: {
        "state_dict": prefixed("teacher_backbone.", numbered(w))
        | prefixed("student_backbone.", numbered(w))
        | head("teacher_head", "layers.0.weight")
        | head("student_head", "layers.0.weight")
    },
}
