import re

import pytest

from keras_ssl.checkpoints import state_dict
from keras_ssl.checkpoints.other_keys import OTHER_KEYS
from tests.checkpoints.published import RESNETS, VITS, numbered, resnet, vit


def ignored(key):
    return any(re.fullmatch(pattern, key) for pattern in OTHER_KEYS)


def test_no_weight_of_an_encoder_is_ignored():
    weights, _ = resnet()
    for key in [*weights, *numbered(weights), *vit(True, True, 4), *vit()]:
        assert ignored(key) == key.endswith("num_batches_tracked")


@pytest.mark.parametrize(
    "key", ["layer5.0.conv1.weight", "blocks.99.norm1.weight", "fc_norm.weight", "header.weight", "queue_2", "bn2.bias"]
)
def test_what_no_project_holds_is_not_ignored(key):
    assert not ignored(key)


def test_every_pattern_is_some_projects():
    trees = [layout(resnet()[0]) for layout in RESNETS.values()]
    trees += [layout(vit(**kind)) for kind, layout, _ in VITS.values()]
    keys = [key for tree in trees for key in state_dict(tree)] + ["classifier", "prototypes"]
    assert all(any(re.fullmatch(pattern, key) for key in keys) for pattern in OTHER_KEYS)
