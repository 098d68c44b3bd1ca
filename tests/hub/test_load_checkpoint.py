import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_ssl.checkpoints import CheckpointError, read_torch, vit_table
from keras_ssl.encoders import ConvNet, ResNet, ViT
from keras_ssl.hub import load_checkpoint, named_weights
from keras_ssl.objectives import SimSiam
from tests.checkpoints import make_torch_files
from tests.checkpoints.test_resnet_table import published_keys
from tests.checkpoints.torch_files import array_tensor, stream_file, zip_file
from tests.encoders.test_resnet import torch_key

WIDTH = 0.015625  # one channel in the first stage


def published(encoder):
    """Drawn weights for the encoder, under published names and in PyTorch's layout."""
    rng = np.random.default_rng(0)
    arrays = {}
    for variable in encoder.weights:
        shape = tuple(variable.shape)
        shape = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape
        arrays[torch_key(variable.path)] = rng.uniform(0.5, 1.5, shape).astype("float32")
    return arrays


def values(encoder):
    return {name: np.array(keras.ops.convert_to_numpy(v)) for name, v in named_weights(encoder).items()}


def assert_loaded(encoder, arrays):
    for variable in encoder.weights:
        expected = arrays[torch_key(variable.path)]
        expected = np.moveaxis(expected, (0, 1), (3, 2)) if expected.ndim == 4 else expected
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), expected)


def extras(prefix):
    """What such files hold besides."""
    return {
        f"{prefix}bn1.num_batches_tracked": np.array(3),
        f"{prefix}fc.weight": np.ones((2, 3), "float32"),
        f"{prefix}projection_head.0.bias": np.ones(3, "float32"),
    }


@pytest.mark.parametrize("depth", [18, 50, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("format", ["zip", "stream", "safetensors"])
def test_every_weight_of_a_resnet_arrives(tmp_path, depth, format):
    encoder = ResNet(depth, width=WIDTH, stem="cifar" if format == "zip" else "imagenet")
    arrays = published(encoder)
    assert sorted(arrays) == sorted(published_keys(depth))
    path = tmp_path / "weights"
    weights = {f"module.{key}": array for key, array in arrays.items()} | extras("module.")
    if format == "safetensors":
        save_file(weights, path)
    else:
        tensors = {key: array_tensor(array, key) for key, array in weights.items()}
        storages = {key: array.tobytes() for key, array in weights.items()}
        tree = {"epoch": 3, "state_dict": tensors}
        if format == "zip":
            path.write_bytes(zip_file(tree, storages))
        else:
            path.write_bytes(stream_file(tree, storages, {key: array.size for key, array in weights.items()}))
    load_checkpoint(encoder, path)
    assert_loaded(encoder, arrays)


@pytest.mark.slow
def test_features_equal_pytorchs():
    """A ResNet-18 that PyTorch ran and saved in its older format."""
    path = make_torch_files.DATA / "resnet18_stream.pt"
    encoder = ResNet(18, width=make_torch_files.WIDTH)
    load_checkpoint(encoder, path)
    features = keras.ops.convert_to_numpy(encoder(make_torch_files.images(), training=False))
    np.testing.assert_allclose(features, read_torch(path)["features"], atol=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda a: a.pop("layer3.1.bn2.running_var"), r"missing: layer3\.1\.bn2\.running_var"),
        (lambda a: a.update({"layer1.2.conv1.weight": np.ones(1)}), r"extra: layer1\.2\.conv1\.weight"),
        (
            lambda a: a.update({"conv1.weight": np.ones((1, 3, 3, 3))}),
            r"conv1\.weight \(1, 3, 3, 3\) for stem_conv",
        ),
    ],
)
def test_other_weights_are_named_and_nothing_changes(tmp_path, change, message):
    encoder = ResNet(18, width=WIDTH)
    arrays = published(encoder)
    change(arrays)
    save_file(arrays, tmp_path / "weights.pth")
    before = values(encoder)
    with pytest.raises(CheckpointError, match=f"{message}.*Received: source=.*weights.pth"):
        load_checkpoint(encoder, tmp_path / "weights.pth")
    for name, value in values(encoder).items():
        np.testing.assert_array_equal(value, before[name])


def test_weights_of_another_depth_are_refused(tmp_path):
    save_file(published(ResNet(50, width=WIDTH)), tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match="missing|extra"):
        load_checkpoint(ResNet(18, width=WIDTH), tmp_path / "weights.pth")


def test_keys_and_prefixes_can_be_told(tmp_path):
    encoder = ResNet(18, width=WIDTH)
    arrays = published(encoder)
    tensors = {f"net.{key}": array_tensor(array, key) for key, array in arrays.items()}
    content = zip_file({"ema": tensors}, {key: array.tobytes() for key, array in arrays.items()})
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"no weights at the top; it has: ema.*Received: path=.*weights\.pth"):
        load_checkpoint(encoder, path)
    load_checkpoint(encoder, path, keys=("ema",), prefixes=("net.",))
    assert_loaded(encoder, arrays)


def test_an_encoder_without_a_table_is_refused(tmp_path):
    with pytest.raises(
        ValueError,
        match="`model` must .*are known .ConvNeXt, ResNet, RotaryViT, Swin, ViT., or .*Received: model=ConvNet",
    ):
        load_checkpoint(ConvNet(widths=(4,)), tmp_path / "weights.pth")


def test_an_objective_with_more_than_a_projector_is_refused(tmp_path):
    model = SimSiam(ResNet(18, width=WIDTH), projector=(6, 5), predictor=(4, 5))
    with pytest.raises(ValueError, match="a projector's can be read and no others. Received: name='predictor/"):
        load_checkpoint(model, tmp_path / "weights.pth")


def small_resnet(**arguments):
    return ResNet(18, **{"width": WIDTH, "stem": "cifar", **arguments})


PREFIXED = ["model.", "net.", "encoder.", "_orig_mod.", "trunk._feature_blocks.", "student.model.", "module.model."]


@pytest.mark.parametrize("prefix", PREFIXED)
@pytest.mark.parametrize("nested", [True, False])
def test_a_prefix_that_all_weights_have_is_named_and_mends_it(tmp_path, prefix, nested):
    encoder, path = small_resnet(), tmp_path / "weights"
    arrays = published(encoder)
    others = {"queue": np.ones(3, "float32"), "criterion.weight": np.ones(2, "float32")}
    save_file({f"{prefix}{key}": array for key, array in arrays.items()} | extras(prefix) | others, path)
    before = values(encoder)
    with pytest.raises(CheckpointError, match="missing: .*Received: source=") as caught:
        load_checkpoint(encoder, path)
    assert f'pass prefixes=("{prefix}",).' in str(caught.value)
    for name, value in values(encoder).items():
        np.testing.assert_array_equal(value, before[name])
    load_checkpoint(encoder, path, prefixes=(prefix,))
    assert_loaded(encoder, arrays)


def test_a_prefix_chooses_one_of_two_encoders(tmp_path):
    encoder, path = small_resnet(), tmp_path / "weights"
    arrays = published(encoder)
    teacher = {f"teacher.backbone.{key}": array for key, array in arrays.items()}
    student = {f"student.backbone.{key}": array + 1 for key, array in arrays.items()}
    save_file(teacher | student | extras("teacher.") | {"loss.center": np.ones(1, "float32")}, path)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(encoder, path)
    for name in ("teacher", "student"):
        assert f'prefixes=("{name}.backbone.",)' in str(caught.value)
    load_checkpoint(encoder, path, prefixes=("teacher.backbone.",))
    assert_loaded(encoder, arrays)
    with pytest.raises(CheckpointError, match="No name begins with one of the prefixes.*Received: prefixes="):
        load_checkpoint(encoder, path, prefixes=("nothing.",))
    for prefixes in ("teacher.", ("",), ("teacher.", "")):
        with pytest.raises(ValueError, match="`prefixes` must be a sequence"):
            load_checkpoint(encoder, path, prefixes=prefixes)


def test_a_chosen_encoder_must_still_be_whole(tmp_path):
    encoder, path = small_resnet(), tmp_path / "weights"
    arrays = {f"a.{key}": array for key, array in published(encoder).items()}
    save_file({**arrays, "a.more.weight": np.ones(2, "float32")}, path)
    with pytest.raises(CheckpointError, match="extra: more.weight"):
        load_checkpoint(encoder, path, prefixes=("a.",))
    arrays["conv1.weight"] = arrays.pop("a.conv1.weight")  # outside: it is not the chosen one's
    save_file(arrays, path)
    with pytest.raises(CheckpointError, match="missing: conv1.weight"):
        load_checkpoint(encoder, path, prefixes=("a.",))


@pytest.mark.parametrize("channels", [1, 4])
def test_channels_that_do_not_fit_are_named(tmp_path, channels):
    path = tmp_path / "weights"
    save_file(published(small_resnet()), path)
    with pytest.raises(CheckpointError, match=r"RGB images need 3: pass input_shape=\(None, None, 3\)"):
        load_checkpoint(small_resnet(input_shape=(None, None, channels)), path)


def vit(**arguments):
    return ViT(**{"width": 8, "depth": 1, "heads": 2, "patch_size": 8, "image_size": 32, **arguments})


def vit_weights(encoder):
    """Drawn weights under timm's names."""
    rng = np.random.default_rng(0)
    arrays = {}
    for key, weight in vit_table(named_weights(encoder)).weights.items():
        shape = tuple(named_weights(encoder)[weight.name].shape)
        shape = {4: (shape[-1], shape[-2 % len(shape)], *shape[:2])}.get(
            len(shape), shape[::-1] if "weight" in key else shape
        )
        shape = (1, *shape) if key in ("cls_token", "pos_embed", "register_tokens") else shape
        arrays[key] = rng.uniform(0.5, 1.5, shape).astype("float32")
    return arrays


@pytest.mark.parametrize(
    "made, asked, words",
    [
        ({}, {"image_size": 48}, "image_size=32"),
        (
            {"class_token": False, "pooling": "mean"},
            {"image_size": 64, "class_token": False, "pooling": "mean"},
            "image_size=32",
        ),
        ({}, {"patch_size": 4}, "patch_size=8"),
        ({"patch_size": 4}, {"patch_size": 8, "image_size": 64}, "patch_size=4"),
        ({}, {"input_shape": (None, None, 1)}, "input_shape=(None, None, 3)"),
    ],
)
def test_sizes_of_a_vit_that_would_fit_are_named(tmp_path, made, asked, words):
    path = tmp_path / "weights"
    save_file(vit_weights(vit(**made)), path)
    load_checkpoint(vit(**made), path)
    with pytest.raises(CheckpointError, match="of another shape: .*Received: source=") as caught:
        load_checkpoint(vit(**asked), path)
    assert words in str(caught.value)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    arrays = published(small_resnet())
    arrays["bn1.weight"][0] = np.nan
    save_file(arrays, tmp_path / "weights")
    with pytest.raises(CheckpointError, match="with NaN: bn1.weight"):
        load_checkpoint(small_resnet(), tmp_path / "weights")
