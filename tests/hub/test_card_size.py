"""What a card asks for is bounded by the files that it lists, before anything is built."""

import inspect
import time

import numpy as np
import pytest

from keras_ssl import hub, objectives
from keras_ssl.encoders import ConvNet, ConvNeXt, ResNet, RotaryViT, ScatteringNet, Swin, ViT
from keras_ssl.hub import Card, CardFile
from keras_ssl.hub.card_size import check_encoder_size, check_objective_size
from keras_ssl.hub.signatures import default_arguments

BUILT = {
    "ConvNeXt": [
        {"width": 4, "depths": (1, 2, 1, 1), "channels": 5},
        {"width": 4, "depths": (1, 1, 1, 1), "version": 2, "final_norm": False, "patch_size": 2},
    ],
    "ConvNet": [{}, {"widths": (3, 5, 2), "input_shape": (None, None, 1)}],
    "ResNet": [
        {"depth": 18, "width": 0.125, "channels": 13},
        {"depth": 18, "width": 0.0625, "stem": "cifar"},
        {"depth": 34, "width": 0.03125, "input_shape": (None, None, 4)},
        {"depth": 50, "width": 0.0625},
    ],
    "RotaryViT": [
        {"width": 8, "depth": 2, "heads": 2},
        {"width": 16, "depth": 2, "heads": 2, "mlp": "swiglu", "qkv_bias": False, "layer_scale": 1e-5, "channels": 2},
        {"width": 16, "depth": 1, "heads": 2, "class_token": False, "rotary": "capi", "norm": "rms", "bias": False}
        | {"final_scale": False, "pooling": "mean"},
        {"width": 8, "depth": 1, "heads": 1, "norm": "rms", "mlp": "swiglu", "bias": False, "patch_size": 4},
    ],
    "ScatteringNet": [
        {"widths": (8, 4), "scales": scales, "angles": 3, "order": order} for scales, order in ((1, 1), (2, 2), (2, 0))
    ],
    "Swin": [
        {"width": 4, "depths": (1, 2, 1, 1), "heads": (1, 1, 2, 2), "channels": 5, "mlp_ratio": 2.5},
        {"width": 8, "depths": (1, 1, 1, 1), "heads": (2, 2, 2, 2), "window": (4, 4, 3, 2), "patch_size": 2},
    ],
    "ViT": [
        {"variant": "Ti", "depth": 2, "image_size": 32, "channels": 5, "pooling": "attention", "mlp": "gelu_tanh"},
        {"variant": "Ti", "depth": 1, "image_size": 32, "class_token": False, "pooling": "attention", "mlp_ratio": 2.5},
        {"width": 8, "depth": 2, "heads": 2, "image_size": 32},
        {"width": 8, "depth": 1, "heads": 2, "mlp": "swiglu", "registers": 3, "layer_scale": 1e-5, "patch_size": 4},
        {"width": 8, "depth": 1, "heads": 1, "position": "sincos", "class_token": False, "pooling": "mean"},
        {"width": 8, "depth": 1, "heads": 1, "mlp_ratio": 2.5, "input_shape": (None, None, 2)},
    ],
}
KINDS = {kind.__name__: kind for kind in (ConvNet, ConvNeXt, ResNet, RotaryViT, ScatteringNet, Swin, ViT)}


@pytest.mark.parametrize("name, arguments", [(name, item) for name, items in BUILT.items() for item in items])
def test_the_number_of_weights_is_told_without_building(name, arguments):
    weights = KINDS[name](**arguments).count_params()
    full = {**default_arguments(KINDS[name]), **arguments}
    check_encoder_size(name, full, 2 * weights)
    with pytest.raises(ValueError, match=f"an encoder of {weights:,} weights .* at most {weights - 1:,}"):
        check_encoder_size(name, full, 2 * weights - 1)


OBJECTIVES = {
    "AdaptiveMultiHeadContrastive": [{"projector": (8, 4)}, {"base": "moco", "projector": (8, 4), "queue_size": 64}],
    "BYOL": [{"projector": (8, 4), "predictor": (8, 4)}],
    "DINO": [{"projector": (8, 8, 4), "out_dim": 64}],
    "InterCLR": [
        {"dataset_size": 64, "clusters": 8, "negatives": 8, "pool": 16, "queue_size": 32, "projector": (8, 4)}
    ],
    "ISogCLR": [{"dataset_size": 64, "projector": (8, 4)}],
    "MoCHi": [{"queue_size": 64, "hardest": 16, "mixes": 8, "query_mixes": 4, "projector": (8, 4)}],
    "MoCo": [{"queue_size": 64}, {"projector": (8, 4), "queue_size": 64, "version": 2}],
    "NNCLR": [{"projector": (8, 8, 4), "predictor": (8, 4), "queue_size": 64}],
    "ReSSL": [{"projector": (8, 4), "queue_size": 64}],
    "SogCLR": [{"dataset_size": 64, "projector": (8, 4)}],
    "SwAV": [{"projector": (8, 4), "prototypes": 16}, {"projector": (8, 4), "prototypes": 16, "queue_size": 32}],
    "VICReg": [{"projector": (8, 8, 8)}],
}


@pytest.mark.parametrize("name, arguments", [(name, item) for name, items in OBJECTIVES.items() for item in items])
def test_no_objective_is_refused_that_its_file_can_hold(name, arguments):
    kind = getattr(objectives, name)
    extra = {} if "views" not in inspect.signature(kind).parameters else {}
    try:
        model = kind(ConvNet(widths=(4,)), views=lambda x, stream: [x, x], **arguments, **extra)
    except (ValueError, TypeError) as error:
        pytest.fail(f"the example is not valid: {error}")
    weights = sum(int(np.prod(variable.shape)) for variable in hub.head_weights(model).values())
    check_objective_size({**default_arguments(kind), **arguments}, 2 * weights)


def card(**changes):
    fields = {
        "name": "hostile",
        "architecture": {"name": "ConvNet", "arguments": {"widths": [4, 8]}},
        "files": (CardFile("encoder.safetensors", 5000, "0" * 64),),
        "preprocessing": {"mean": 0.5, "std": 0.25},
    }
    return Card(**{**fields, **changes})


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("ConvNet", {"widths": [100_000, 100_000]}),
        ("ConvNet", {"widths": [1] * 3000}),
        ("ConvNet", {"widths": "abc"}),
        ("ConvNet", {"widths": {"a": 1}}),
        ("ConvNet", {"widths": [[1] * 9]}),
        ("ConvNet", {"widths": 5}),
        ("ConvNet", {"widths": [float("inf")]}),
        ("ConvNet", {"input_shape": [8, 8, 10**9]}),
        ("ConvNet", {"input_shape": [10**9, 8, 3]}),
        ("ResNet", {"depth": 18, "channels": 10**9}),
        ("ResNet", {"depth": 18, "channels": "many"}),
        ("ViT", {"channels": -3}),
        ("ViT", {"channels": 2.5}),
        ("ConvNet", {"input_shape": [8]}),
        ("ConvNet", {"input_shape": "abc"}),
        ("ConvNet", {"name": [1]}),
        ("ResNet", {"width": 10**6}),
        ("ResNet", {"width": float("nan")}),
        ("ResNet", {"depth": [50]}),
        ("ResNet", {"depth": "50"}),
        ("ScatteringNet", {"scales": 40}),
        ("Swin", {"width": 10**6}),
        ("Swin", {"window": 10**6}),
        ("Swin", {"depths": [1, 1, 10**6, 1]}),
        ("Swin", {"heads": [1, 1, 1]}),
        ("Swin", {"mlp_ratio": float("inf")}),
        ("ScatteringNet", {"angles": 10**6}),
        ("ViT", {"depth": 10**6, "width": 1, "heads": 1}),
        ("ViT", {"width": 10**6, "heads": 1}),
        ("ViT", {"patch_size": 10**6, "image_size": 10**6}),
        ("ViT", {"image_size": 16 * 10**6, "position": "sincos"}),
        ("ViT", {"registers": 10**12}),
        ("ViT", {"mlp_ratio": 1e30}),
        ("ViT", {"mlp_ratio": float("inf")}),
        ("ViT", {"width": 10**6, "heads": 1, "registers": -(10**9)}),
        ("ResNet", {"width": 10**4, "input_shape": [8, 8, -(10**12)]}),
        ("ViT", {"patch_size": 0}),
        ("ViT", {"width": "abc"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [5000, 10**15, None], ids=["small", "huge", "unknown"])
def test_a_card_that_asks_for_too_much_is_refused_at_once_and_named(name, arguments, size):
    if size == 5000:
        files = (CardFile("encoder.safetensors", 5000, "0" * 64),)
    else:
        sha256 = "first-use" if size is None else "0" * 64
        files = (CardFile("encoder.safetensors", size, sha256, "https://example.org/x"),)
    small = name == "ConvNet" and arguments.get("widths") == [1] * 3000
    start = time.monotonic()
    with pytest.raises(ValueError, match="Received: card='hostile'$|layers") as caught:
        card(architecture={"name": name, "arguments": arguments}, files=files).build_encoder()
    assert time.monotonic() - start < 2 and len(str(caught.value)) < 2000
    assert small <= ("layers" in str(caught.value))


@pytest.mark.parametrize("mean", ["abc", [1, "x"], {"a": 1}, [[1, 2], [3]], None])
def test_preprocessing_of_another_type_names_the_card(mean):
    with pytest.raises(ValueError, match="The preprocessing cannot be built.*Received: card='hostile'$"):
        card(preprocessing={"mean": mean, "std": 0.25}).build_preprocessing()


@pytest.mark.parametrize(
    "objective, recipe",
    [
        ({"name": "MoCo", "arguments": {"projector": [8, 4], "queue_size": 10**9}}, {}),
        ({"name": "SimCLR", "arguments": {"projector": [10**6, 10**6]}}, {}),
        ({"name": "SimCLR", "arguments": {"projector": [1] * 10_000}}, {}),
        ({"name": "SimCLR", "arguments": {"projector": "abc"}}, {}),
        ({"name": "SimCLR", "arguments": "abc"}, {}),
        ({"name": "SimCLR", "arguments": {"temperature": [1]}}, {}),
        ({"name": "SwAV", "arguments": {"projector": [8, 4], "prototypes": 10**9}}, {}),
        ({"name": "DINO", "arguments": {"projector": [8, 4], "out_dim": 10**9}}, {}),
        ({"name": "SogCLR", "arguments": {"projector": [8, 4], "dataset_size": 10**9}}, {}),
        ({"name": "AdaptiveMultiHeadContrastive", "arguments": {"projector": [8, 4], "heads": 10**6}}, {}),
        ({"name": "Nothing"}, {}),
        ({}, {}),
    ],
    ids=str,
)
def test_an_objective_that_asks_for_too_much_is_refused_at_once(objective, recipe):
    from keras_ssl.hub.entry_objective import build_objective

    files = (CardFile("encoder.safetensors", 5000, "0" * 64), CardFile("heads.safetensors", 5000, "0" * 64))
    hostile = card(objective=objective, recipe=recipe, files=files)
    start = time.monotonic()
    with pytest.raises(ValueError, match="The objective cannot be built.*Received: card='hostile'$"):
        build_objective(hostile, ConvNet(widths=(4,)), None)
    assert time.monotonic() - start < 2


def test_the_sizes_on_the_card_are_compared_before_anything_is_built(entry, monkeypatch):
    text = (entry / "card.toml").read_text()
    size = (entry / "encoder.safetensors").stat().st_size
    (entry / "card.toml").write_text(
        text.replace(f"size = {size}\n", "size = 400000000000\n")
        .replace("[4, 8]", "[100000, 10000]")
        .replace("4,\n    8,", "100000,\n    10000,")
    )
    monkeypatch.setattr(Card, "build_encoder", lambda self, **changes: pytest.fail("it was built"))
    with pytest.raises(ValueError, match="it must have 400000000000 bytes"):
        hub.load(entry)
