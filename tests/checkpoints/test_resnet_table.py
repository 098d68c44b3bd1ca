import pytest

from keras_ssl.checkpoints import resnet_table
from keras_ssl.encoders import ResNet
from keras_ssl.hub import named_weights

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 200: (3, 24, 36, 3)}
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def published_keys(depth):
    """The keys of torchvision's ResNet without its classifier, in its order."""
    keys = ["conv1.weight", *(f"bn1.{name}" for name in BATCH_NORM)]
    for stage, blocks in enumerate(BLOCKS[depth], start=1):
        for block in range(blocks):
            path = f"layer{stage}.{block}"
            for number in range(1, 4 if depth >= 50 else 3):
                keys += [f"{path}.conv{number}.weight", *(f"{path}.bn{number}.{name}" for name in BATCH_NORM)]
            if block == 0 and (stage > 1 or depth >= 50):
                keys += [f"{path}.downsample.0.weight", *(f"{path}.downsample.1.{name}" for name in BATCH_NORM)]
    return keys


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
@pytest.mark.parametrize("depth", [18, 50, pytest.param(200, marks=pytest.mark.slow)])
def test_keys_are_torchvisions(depth, stem):
    names = named_weights(ResNet(depth, width=0.015625, stem=stem))
    table = resnet_table(names)
    assert sorted(table.weights) == sorted(published_keys(depth))
    assert sorted(weight.name for weight in table.weights.values()) == sorted(names)


@pytest.mark.parametrize("name", ["block1_conv/kernel", "stem_conv/bias", "stage1_block1_conv1", "xstem_conv/kernel"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"`names` must be those of a ResNet's weights. Received: name='{name}'"):
        resnet_table(["stem_conv/kernel", name])
