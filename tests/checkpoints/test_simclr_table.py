import keras
import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, map_weights, read_tf_variables, simclr_table
from keras_ssl.encoders import ResNet
from keras_ssl.hub import named_weights
from tests.checkpoints.simclr_files import layers, save, variables

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs TensorFlow")
WIDTH = 1 / 64


@pytest.fixture(scope="module")
def names():
    return named_weights(ResNet(50, width=WIDTH, pool_padding="same"))


@pytest.mark.parametrize("first, synchronous", [(0, True), (0, False), (60, True)])
def test_the_order_of_the_numbers_says_which_layer_is_which(names, first, synchronous):
    file = variables(1, first, synchronous)
    table = simclr_table(names, file)
    mapped = map_weights(file, table, names, "simclr")
    own = [key for key in file if "conv2d" in key]
    assert len(own) == len(layers(1)) == 53
    by_name = {weight.name: key for key, weight in table.weights.items()}
    assert by_name["stem_conv/kernel"] == own[0]
    assert by_name["stage1_block1_shortcut_conv/kernel"] == own[1]
    assert by_name["stage1_block1_conv1/kernel"] == own[2]
    assert by_name["stage4_block3_conv3/kernel"] == own[52]
    np.testing.assert_array_equal(mapped["stem_bn/moving_mean"], file[by_name["stem_bn/moving_mean"]])


def test_names_of_tensorflow_1_are_known_too(names):
    file = {name.replace("resnet/", "base_model/"): array for name, array in variables(1, synchronous=False).items()}
    file = {"/".join(n.split("/")[:1] + n.split("/")[-2:]) if "base" in n else n: a for n, a in file.items()}
    assert "base_model/conv2d_1/kernel" in file
    file |= {"global_step": np.array(3), "base_model/conv2d_1/kernel/Momentum": np.ones(2, "float32")}
    assert len(map_weights(file, simclr_table(names, file), names, "simclr")) == len(names)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda file: file.pop("resnet/conv2d_fixed_padding_52/conv2d_52/kernel"), "missing: conv2d number 52/kernel"),
        (lambda file: file.update({"resnet/x/conv2d_53/kernel": np.ones(1, "float32")}), "extra: resnet/x/conv2d_53"),
        (lambda file: file.pop("resnet/conv2d_fixed_padding/conv2d/kernel"), "of another shape: .*conv2d_1/kernel"),
        (lambda file: file.update({"resnet/sk/dense/kernel": np.ones(1, "float32")}), "extra: resnet/sk/dense"),
    ],
)
def test_every_variable_is_accounted_for(names, change, message):
    file = variables(1)
    change(file)
    with pytest.raises(CheckpointError, match=message):
        map_weights(file, simclr_table(names, file), names, "simclr")


def test_a_saved_model_tells_the_names_of_its_variables(tmp_path):
    file = dict(list(variables(1).items())[:7])
    save(tmp_path / "saved", file)
    assert {key for key in read_tf_variables(tmp_path / "saved") if "held" in key} == {
        f"model/held/{number}" for number in range(7)
    }
    read = read_tf_variables(tmp_path / "saved", variable_names=True)
    assert sorted(read) == sorted([*file, "global_step"])
    for name, array in file.items():
        np.testing.assert_array_equal(read[name], array)


def test_names_that_do_not_tell_variables_apart_are_refused(tmp_path):
    import tensorflow as tf

    held = [tf.Variable(1.0, name="a"), tf.Variable(2.0, name="a")]
    prefix = tf.train.Checkpoint(held=held).write(str(tmp_path / "twice"))
    assert len([key for key in read_tf_variables(prefix) if key.startswith("held/")]) == 2
    with pytest.raises(CheckpointError, match="Two variables .* the name 'a'. Received: path="):
        read_tf_variables(prefix, variable_names=True)


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="must be those of a ResNet's weights. Received: name='tokens/position'"):
        simclr_table(["tokens/position"], [])
