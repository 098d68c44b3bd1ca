import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_ssl.checkpoints import CheckpointError, read_torch
from keras_ssl.encoders import ConvNet, ResNet
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
        ValueError, match="`model` must be .*names are known .ResNet, ViT., or .*Received: model=ConvNet"
    ):
        load_checkpoint(ConvNet(widths=(4,)), tmp_path / "weights.pth")


def test_an_objective_with_more_than_a_projector_is_refused(tmp_path):
    model = SimSiam(ResNet(18, width=WIDTH), projector=(6, 5), predictor=(4, 5))
    with pytest.raises(ValueError, match="a projector's can be read and no others. Received: name='predictor/"):
        load_checkpoint(model, tmp_path / "weights.pth")
