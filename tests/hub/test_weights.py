import json
import struct
import tracemalloc

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_ssl.encoders import ConvNet, ResNet
from keras_ssl.hub import load_weights, named_weights, save_weights
from keras_ssl.objectives import BarlowTwins


def numpy(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def nested():
    """Two nested functional models with layers of the same automatic names, and a composite layer."""

    def branch(name):
        inputs = keras.Input((6, 4))
        x = keras.layers.Dense(5)(inputs)
        x = keras.layers.Dense(4)(x)
        return keras.Model(inputs, keras.layers.LayerNormalization(name="norm")(x), name=name)

    inputs = keras.Input((6, 4))
    x = branch("left")(inputs) + branch("right")(inputs)
    x = keras.layers.MultiHeadAttention(num_heads=2, key_dim=3)(x, x)
    return keras.Model(inputs, keras.layers.Dense(2, name="out")(x))


def test_explicit_layer_names_are_the_public_format():
    assert list(named_weights(ConvNet(widths=(4,)))) == [
        "block1_conv/kernel",
        "block1_bn/gamma",
        "block1_bn/beta",
        "block1_bn/moving_mean",
        "block1_bn/moving_variance",
    ]
    names = named_weights(ResNet(18, width=0.125, stem="cifar"))
    assert {"stem_conv/kernel", "stage1_block1_conv1/kernel", "stage2_block1_shortcut_bn/gamma"} <= set(names)


def test_names_are_unique_and_do_not_count_instances():
    first, second = nested(), nested()
    names = list(named_weights(first))
    assert names == list(named_weights(second))
    assert len(set(names)) == len(first.weights)
    assert {id(v) for v in named_weights(first).values()} == {id(v) for v in first.weights}
    # What Keras' own paths do instead: the reason for the walk.
    assert len({v.path for v in first.weights}) < len(first.weights) or [v.path for v in first.weights] != [
        v.path for v in second.weights
    ]
    assert {"left/dense_0/kernel", "left/dense_1/bias", "right/dense_0/kernel", "out/kernel"} <= set(names)
    assert "multi_head_attention_0/query/kernel" in names


def test_a_shared_layer_counts_once():
    shared = keras.layers.Dense(3, name="shared")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, shared(shared(inputs)))
    assert list(named_weights(model)) == ["shared/kernel", "shared/bias"]


def test_objectives_have_names_too():
    names = list(named_weights(BarlowTwins(ConvNet(widths=(4,)), projector=(6, 5), views=lambda x, stream: [x, x])))
    assert len(set(names)) == len(names)
    assert "conv_net_0/block1_conv/kernel" in names and any(name.startswith("projector/") for name in names)


def test_equal_names_of_different_layers_are_refused():
    class Twice(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.a, self.b = keras.layers.Dense(2, name="same"), keras.layers.Dense(2, name="same")
            self.a.build((None, 2))
            self.b.build((None, 2))
            self.built = True

    with pytest.raises(ValueError, match="same name.*Received: name='same/kernel'"):
        named_weights(Twice())


def test_an_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match="`model` must be a built layer or model. Received: model="):
        named_weights(keras.Sequential([keras.layers.Dense(2)]))


def test_round_trip_is_exact(tmp_path):
    model = nested()
    for variable in model.weights:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    save_weights(model, tmp_path / "w.safetensors")
    other = nested()
    load_weights(other, tmp_path / "w.safetensors")
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_the_file_is_not_made_in_memory(tmp_path):
    model = keras.Sequential([keras.layers.Input((500,)), *(keras.layers.Dense(500) for _ in range(8))])
    size = sum(numpy(weight).nbytes for weight in model.weights)
    tracemalloc.start()
    try:
        save_weights(model, tmp_path / "w.safetensors")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "w.safetensors").stat().st_size > size
    assert peak < 1.5 * size  # at most one copy of the weights, and not of the file as well


def test_half_precision_weights_are_stored_as_float32(tmp_path):
    layer = keras.layers.Dense(3, dtype="bfloat16")
    layer.build((None, 2))
    save_weights(layer, tmp_path / "w.safetensors")
    kernel = load_file(tmp_path / "w.safetensors")["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, keras.ops.convert_to_numpy(keras.ops.cast(layer.kernel, "float32")))
    other = keras.layers.Dense(3, dtype="bfloat16")
    other.build((None, 2))
    load_weights(other, tmp_path / "w.safetensors")
    assert keras.ops.convert_to_numpy(keras.ops.all(other.kernel == layer.kernel))


def test_other_weights_are_named_and_nothing_changes(tmp_path):
    model = ConvNet(widths=(4,))
    path = tmp_path / "w.safetensors"
    save_weights(model, path)
    tensors = load_file(path)
    del tensors["block1_bn/beta"]
    tensors["block1_bn/gamma"] = np.ones(5, "float32")
    tensors["block1_conv/kernel"] += 1
    tensors["head/kernel"] = np.ones(2, "float32")
    save_file(tensors, path)
    before = [numpy(v) for v in model.weights]
    with pytest.raises(ValueError) as error:
        load_weights(model, path)
    message = str(error.value)
    assert "missing: block1_bn/beta" in message
    assert "not of the model: head/kernel" in message
    assert "block1_bn/gamma (5,) instead of (4,)" in message
    assert message.endswith(f"Received: path={str(path)!r}")
    for variable, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(variable), old)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, kept):
    model = ConvNet(widths=(4,))
    path = tmp_path / "w.safetensors"
    save_weights(model, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="The file is damaged.*w.safetensors.*bytes"):
        load_weights(model, path)


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ValueError, match="cannot be read.*nothing.safetensors"):
        load_weights(ConvNet(widths=(4,)), tmp_path / "nothing.safetensors")


def _bytes(tensors):
    """A safetensors file of (dtype's code, shape, bytes) by name."""
    header, body = {}, b""
    for name, (code, shape, content) in tensors.items():
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _tensors(model, code, itemsize):
    return {
        name: (code, list(variable.shape), bytes(itemsize * int(np.prod(variable.shape))))
        for name, variable in named_weights(model).items()
    }


def test_bfloat16_is_read(encoder, tmp_path):
    arrays = {}
    for name, variable in named_weights(encoder).items():
        value = np.asarray(keras.ops.convert_to_numpy(variable), "float32")
        arrays[name] = (value.view("uint32") >> 16 << 16).view("float32")
    tensors = {
        name: ("BF16", list(value.shape), (value.view("uint32") >> 16).astype("<u2").tobytes())
        for name, value in arrays.items()
    }
    (tmp_path / "w").write_bytes(_bytes(tensors))
    load_weights(encoder, tmp_path / "w")
    for name, variable in named_weights(encoder).items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), arrays[name])


@pytest.mark.parametrize(
    "code, itemsize, words",
    [
        ("F8_E4M3", 1, "F8_E4M3, which is not read"),
        ("F8_E5M2", 1, "F8_E5M2, which is not read"),
        ("C64", 8, "C64|not a whole"),
        ("X99", 4, "not a whole safetensors file"),
        ("I64", 8, "of another type: .* int64 instead of float32"),
        ("I32", 4, "of another type: .* int32 instead of float32"),
        ("U8", 1, "of another type: .* uint8 instead of float32"),
        ("BOOL", 1, "of another type: .* bool instead of float32"),
    ],
)
def test_numbers_of_another_type_are_refused_by_a_sentence(encoder, tmp_path, code, itemsize, words):
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in encoder.weights]
    (tmp_path / "w").write_bytes(_bytes(_tensors(encoder, code, itemsize)))
    with pytest.raises(ValueError, match=f"{words}.*Received: path="):
        load_weights(encoder, tmp_path / "w")
    for old, variable in zip(before, encoder.weights, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(variable))


def test_weights_that_are_no_numbers_are_refused(encoder, tmp_path):
    name, variable = next(iter(named_weights(encoder).items()))
    value = np.zeros(variable.shape, "float32")
    value.flat[3] = np.nan
    tensors = _tensors(encoder, "F32", 4) | {name: ("F32", list(value.shape), value.tobytes())}
    (tmp_path / "w").write_bytes(_bytes(tensors))
    with pytest.raises(ValueError, match=f"with NaN: {name}. Received: path="):
        load_weights(encoder, tmp_path / "w")
