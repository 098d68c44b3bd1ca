import pytest

from keras_ssl.checkpoints import map_weights, vit_table
from keras_ssl.encoders import ViT
from keras_ssl.hub import named_weights
from tests.checkpoints.published import VITS, chunked, gated_as_timm, vit


@pytest.mark.parametrize("family", ["dino", "dinov2", "dinov2, training", "mae"])
def test_keys_are_the_published(family):
    kind, _, arguments = VITS[family]
    names = named_weights(ViT(**arguments))
    table = vit_table(names)
    assert sorted(table.weights) == sorted(vit(**kind))
    assert sorted(weight.name for weight in table.weights.values()) == sorted(names)


def test_other_numbers_and_names_are_the_same_weights():
    kind, _, arguments = VITS["dinov2, training"]
    variables = named_weights(ViT(**arguments))
    table, given = vit_table(variables), vit(**kind)
    expected = map_weights(given, table, variables, "a.pth")
    for arrays in (chunked(given), gated_as_timm(given), gated_as_timm(chunked(given))):
        assert arrays.keys() != given.keys()
        mapped = map_weights(arrays, table, variables, "a.pth")
        assert all((mapped[name] == expected[name]).all() for name in variables)


@pytest.mark.parametrize("name", ["stem_conv/kernel", "block1_mlp3/kernel", "block1_qkv", "tokens/mask", "xnorm/gamma"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"`variables` must be those of a ViT. Received: name='{name}'"):
        vit_table({"tokens/class_token": None, name: None})
