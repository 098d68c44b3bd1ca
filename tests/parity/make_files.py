"""Writes for every family a checkpoint, images and their features, and what PyTorch's safe reader says it holds.

    python -m tests.parity.make_files FOLDER
    python -m tests.parity.make_files --golden

The first runs in `make test-parity`, in PyTorch's own environment: it makes `NAME.pth`, `NAME.npz` and `NAME.json`. The
second writes the features of the smaller ones anew, to a file that the suite compares with and that git keeps.
"""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import torch

from tests.checkpoints import make_torch_files
from tests.parity import torch_models
from tests.parity.draw import draw
from tests.parity.families import FAMILIES, GOLDEN, SMALLER, file_name, golden_images
from tests.parity.make_runs import write_runs
from tests.parity.tree import described


def prefixed(prefix, state):
    return {f"{prefix}{key}": value for key, value in state.items()}


def mlp(prefix, *widths):
    """A head that is not the encoder's: linear layers, with batch norms and ReLUs between."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [torch.nn.Linear(inputs, outputs, bias=False), torch.nn.BatchNorm1d(outputs), torch.nn.ReLU()]
    return prefixed(f"{prefix}.", torch.nn.Sequential(*layers[:-2]).state_dict())


def plain(model, other):
    return model.state_dict()


def swav(model, other):
    return prefixed("module.", model.state_dict() | mlp("projection_head", 8, 6, 4)) | {
        "module.prototypes.weight": torch.ones(3, 4)
    }


def moco_v3(model, other):
    head = "head" if isinstance(model, torch_models.ViT) else "fc"
    encoders = prefixed("module.base_encoder.", model.state_dict() | mlp(head, 8, 6, 4))
    encoders |= prefixed("module.momentum_encoder.", other.state_dict() | mlp(head, 8, 6, 4))
    trained = mlp("", 8, 6, 4).values()
    parameters = [value.requires_grad_() for value in trained if value.is_floating_point()]
    optimizer = torch.optim.SGD(parameters, 0.1, momentum=0.9)
    sum(parameter.sum() for parameter in parameters).backward()
    optimizer.step()  # so that it has something to remember
    return {
        "epoch": 300,
        "arch": "vit_small",
        "state_dict": encoders | mlp("module.predictor", 4, 6, 4),
        "optimizer": optimizer.state_dict(),
        "scaler": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 3},
    }


def mae(model, other):
    return {"model": model.state_dict()}


def mixed(model, other):
    """The children of a ResNet by their places, of which batch norm, ReLU and pooling take one each."""
    order = ["conv1", "bn1", "relu", *(["maxpool"] if model.pooled else []), "layer1", "layer2", "layer3", "layer4"]
    state = {}
    for key, value in model.state_dict().items():
        first, rest = key.split(".", 1)
        state[f"f.{order.index(first)}.{rest}"] = value
    return state | mlp("g", 8, 6, 4) | {"total_ops": torch.zeros(1), "f.0.total_params": torch.zeros(1)}


def ijepa(model, other):
    return {
        "encoder": prefixed("module.", other.state_dict()),
        "predictor": mlp("module.predictor_blocks.0", 8, 6, 4),
        "opt": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]},
        "scaler": None,
        "target_encoder": prefixed("module.", model.state_dict()),
        "epoch": 300,
        "loss": 0.1,
        "lr": 1e-6,
    }


def ibot(model, other):
    return {"state_dict": model.state_dict() | {"masked_embed": torch.ones(1, 24)}}


def mugs(model, other):
    return {"state_dict": model.state_dict() | prefixed("relation_blocks.", other.blocks.state_dict())}


def dbot(model, other):
    decoder = prefixed("decoder_blocks.", other.blocks.state_dict()) | mlp("decoder_embed", 8, 6)
    decoder |= {"mask_token": torch.ones(1, 1, 8), "decoder_pos_embed": torch.ones(1, 65, 8)}
    decoder |= {f"decoder_{name}.weight": torch.ones(8) for name in ("norm", "predp")}
    return {"model": model.state_dict() | decoder, "epoch": 1599}


def moco(model, other):
    query = prefixed("module.encoder_q.", model.state_dict() | mlp("fc", 8, 6, 4))
    key = prefixed("module.encoder_k.", other.state_dict() | mlp("fc", 8, 6, 4))
    queue = {"module.queue": torch.ones(4, 6), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {"epoch": 200, "arch": "resnet50", "state_dict": query | key | queue}


def openmmlab_name(key):
    """OpenMMLab's name of a vision transformer's weight, or of a ResNet's, which is the same."""
    for pattern, new in (
        (r"patch_embed\.proj\.", "patch_embed.projection."),
        (r"blocks\.(\d+)\.norm([12])\.", r"layers.\1.ln\2."),
        (r"blocks\.(\d+)\.attn\.", r"layers.\1.attn."),
        (r"blocks\.(\d+)\.mlp\.fc1\.", r"layers.\1.ffn.layers.0.0."),
        (r"blocks\.(\d+)\.mlp\.fc2\.", r"layers.\1.ffn.layers.1."),
        (r"norm\.", "ln1."),
    ):
        if re.match(pattern, key):
            return re.sub(f"^{pattern}", new, key)
    return key


def openmmlab(model, other, more=()):
    """A whole run: the backbone beside neck, head, the momentum encoder and the statistics of pixels."""

    def named(prefix, network):
        return {prefix + openmmlab_name(key): value for key, value in network.state_dict().items()}

    state = named("backbone.", model) | dict(more) | named("momentum_encoder.module.0.", other)
    state |= mlp("neck", 8, 6, 4) | mlp("head.predictor", 4, 6, 4) | named("target_net.module.0.", other)
    state |= {"data_preprocessor.mean": torch.ones(3, 1, 1)}
    return {"meta": {"epoch": 300, "dataset_meta": {"CLASSES": ["a", "b"]}}, "state_dict": state}


def openmmlab_masked(model, other):
    return openmmlab(model, other, {"backbone.mask_token": torch.ones(1, 1, 24)})


def spark(model, other):
    names = ("enc_dec_norms.0.weight", "enc_dec_projectors.1.weight", "mask_tokens.0")
    return openmmlab(model, other, {name: torch.ones(4) for name in names})


def lingbot(model, other):
    return {"backbone": model.state_dict()}


def capi(model, other):
    """The encoder beside its predictor and the clusters."""
    more = {"mask_token": torch.ones(1, 24), "decoder.blocks.0.residual1.norm.weight": torch.ones(24)}
    return prefixed("backbone.", model.state_dict() | more) | prefixed("head.", {"layer.bias": torch.ones(4)})


def fcmae(model, other):
    """The encoder beside its decoder."""
    decoder = prefixed("decoder.0.", other.stages[0][0].state_dict()) | {"mask_token": torch.ones(1, 8, 1, 1)}
    decoder |= {f"{name}.{leaf}": torch.ones(8) for name in ("proj", "pred") for leaf in ("weight", "bias")}
    return {"model": model.state_dict() | decoder}


def swin_buffers(state):
    """The weights of a Swin beside what its authors keep of its sizes."""
    made = dict(state)
    for key in state:
        if key.endswith("relative_position_bias_table"):
            made[key.replace("bias_table", "index")] = torch.zeros(9, 9, dtype=torch.long)
            if ".blocks.1." in key:
                made[key.replace("attn.relative_position_bias_table", "attn_mask")] = torch.zeros(4, 9, 9)
    return made


def swin_ibot(model, other):
    return {"state_dict": swin_buffers(model.state_dict()) | {"masked_embed": torch.ones(1, 8)}}


def swin_moby(model, other):
    state = prefixed("encoder.", swin_buffers(model.state_dict()))
    state |= prefixed("encoder_k.", swin_buffers(other.state_dict()))
    for head in ("projector", "projector_k", "predictor"):
        state |= mlp(f"{head}.linear_hidden", 8, 6, 4)
    state |= {"queue1": torch.ones(6, 4), "queue2": torch.ones(6, 4), "queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {"model": state, "epoch": 299, "max_accuracy": 0.0}


def swin_openmmlab(model, other):
    """The channels of four joined places: those of the first, each by place, then those of the next."""
    state = {"mask_token": torch.ones(1, 1, 8)}
    for key, value in swin_buffers(model.state_dict()).items():
        if ".downsample." in key:
            upper_left, lower_left, upper_right, lower_right = value.chunk(4, dim=-1)
            value = torch.stack([upper_left, upper_right, lower_left, lower_right], dim=-1).flatten(-2)
        for pattern, new in (
            (r"patch_embed\.proj\.", "patch_embed.projection."),
            (r"^layers\.", "stages."),
            (r"\.attn\.", ".attn.w_msa."),
            (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
            (r"\.mlp\.fc2\.", ".ffn.layers.1."),
            (r"^norm\.", "norm3."),
        ):
            key = re.sub(pattern, new, key)
        state[key] = value
    neck = {"neck.decoder.0.weight": torch.ones(4, 8, 1, 1), "data_preprocessor.mean": torch.ones(3, 1, 1)}
    return {"meta": {"epoch": 100}, "state_dict": prefixed("backbone.", state) | neck}


def eupe(model, other):
    """The encoder beside what maps to its teachers."""
    return model.state_dict() | prefixed("projectors.", mlp("teacher", 8, 6, 4))


def big_vision(model, other):
    """Two towers of big_vision, the image's blocks stacked."""
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    heads = model.attn_pool.heads

    def attention(weights, biases, out):
        """Maps to and from heads, of PyTorch's `[heads * depth, D]` each."""
        width = weights[0].shape[1]
        made = {"out/kernel": state[f"{out}.weight"].T.reshape(heads, -1, width), "out/bias": state[f"{out}.bias"]}
        for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            made |= {f"{name}/kernel": weight.T.reshape(width, heads, -1), f"{name}/bias": bias.reshape(heads, -1)}
        return prefixed("MultiHeadDotProductAttention_0/", made)

    def norm(ours, theirs):
        return {f"{theirs}/scale": state[f"{ours}.weight"], f"{theirs}/bias": state[f"{ours}.bias"]}

    def network(ours):
        made = {}
        for layer, name in (("fc1", "Dense_0"), ("fc2", "Dense_1")):
            made |= {f"MlpBlock_0/{name}/kernel": state[f"{ours}.{layer}.weight"].T}
            made |= {f"MlpBlock_0/{name}/bias": state[f"{ours}.{layer}.bias"]}
        return made

    blocks = []
    for number in range(len(model.blocks)):
        name = f"blocks.{number}"
        parts = (np.split(state[f"{name}.attn.qkv.{leaf}"], 3) for leaf in ("weight", "bias"))
        block = attention(*parts, f"{name}.attn.proj") | network(f"{name}.mlp")
        blocks.append(block | norm(f"{name}.norm1", "LayerNorm_0") | norm(f"{name}.norm2", "LayerNorm_1"))
    pool = ([state["attn_pool.q.weight"], *np.split(state["attn_pool.kv.weight"], 2)],)
    pool += ([state["attn_pool.q.bias"], *np.split(state["attn_pool.kv.bias"], 2)],)
    head = attention(*pool, "attn_pool.proj") | network("attn_pool.mlp") | norm("attn_pool.norm", "LayerNorm_0")
    image = {f"Transformer/encoderblock/{key}": np.stack([block[key] for block in blocks]) for key in blocks[0]}
    image |= norm("norm", "Transformer/encoder_norm") | prefixed("MAPHead_0/", head)
    image |= {"MAPHead_0/probe": state["attn_pool.latent"], "pos_embedding": state["pos_embed"]}
    image |= {"embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0)}
    image |= {"embedding/bias": state["patch_embed.proj.bias"]}
    text = {"Encoder_0/encoder_norm/scale": np.ones(4, "float32"), "Embed_0/embedding": np.ones((9, 4), "float32")}
    scale = {"params/t": np.ones(1, "float32"), "params/b": np.ones(1, "float32")}
    return prefixed("params/img/", image) | prefixed("params/txt/", text) | scale


def as_numpy(value):
    """The same tree with arrays for tensors and names for dtypes and devices."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, dict):
        return {key: as_numpy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_numpy(item) for item in value]
    return str(value).removeprefix("torch.") if isinstance(value, torch.dtype | torch.device) else value


def save_arrays(folder, name, tree):
    """The arrays in an archive of NumPy's, and beside it what NumPy reads from it."""
    arrays = {key: value if isinstance(value, np.ndarray) else value.numpy() for key, value in tree.items()}
    path = folder / file_name(name)
    np.savez(path, **arrays)
    held = described(dict(np.load(path)))
    (folder / f"{name}.json").write_text(json.dumps(held))


def save(folder, name, tree, **options):
    """The file, and beside it what PyTorch reads from it without running anything."""
    path = folder / f"{name}.pth"
    torch.save(tree, path, **options)
    weights_only = options.get("pickle_protocol", 2) == 2  # what PyTorch's own safe reader is for
    held = described(as_numpy(torch.load(path, weights_only=weights_only)))
    (folder / f"{name}.json").write_text(json.dumps(held))


def drawn(name, seed=0):
    """The family's network, with weights that follow from their names."""
    kind, arguments = FAMILIES[name].torch
    model = getattr(torch_models, kind)(**arguments).eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict({key: torch.from_numpy(draw(key, shape, seed)) for key, shape in shapes.items()})
    return model


@torch.no_grad()
def features(model, images):
    """Of images `[N, H, W, C]`."""
    return model(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()


def write_family(folder, name):
    family = FAMILIES[name]
    model = drawn(name)
    draws = np.random.default_rng(len(name))
    arrays = {}
    for height, width in family.sizes:
        pixels = family.draw_images(draws, height, width)
        made = features(model, family.normalize(pixels))
        arrays |= {f"pixels_{height}x{width}": pixels, f"features_{height}x{width}": made}
    np.savez(folder / f"{name}.npz", **arrays)
    tree = globals()[family.layout](model, drawn(name, seed=1))
    if family.npz:
        save_arrays(folder, name, tree)
        return
    save(folder, name, tree, _use_new_zipfile_serialization=not family.stream)


def write_golden():
    """Names and shapes of the weights, and features of `golden_images`."""
    golden = {}
    for name in SMALLER:
        model = drawn(name)
        shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
        golden[f"{name}_shapes"] = np.array(json.dumps(shapes))
        golden |= {
            f"{name}_{h}x{w}": features(model, golden_images(h, w, FAMILIES[name].bands))
            for h, w in FAMILIES[name].sizes
        }
    np.savez_compressed(GOLDEN, **golden)


def write_values(folder):
    """Everything that a checkpoint may hold, in both formats and every protocol."""
    values = {key: value for key, value in make_torch_files.content().items() if key not in ("args", "numpy")}
    for protocol in (2, 3, 4, 5):
        for zipped in (True, False):
            options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped}
            save(folder, f"values_{'zip' if zipped else 'stream'}_{protocol}", values, **options)


def main(folder):
    torch.manual_seed(0)
    write_values(folder)
    write_runs(folder)
    for name in FAMILIES:
        start = time.monotonic()
        write_family(folder, name)
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    write_golden() if sys.argv[1] == "--golden" else main(Path(sys.argv[1]))
