import pytest

from keras_ssl.encoders import ConvNet, ResNet
from keras_ssl.hub.component_from_text import component_from_text


def test_a_name_and_settings():
    encoder = component_from_text("encoder", "  ResNet depth=18  width=0.0625 stem=cifar pooling=none ")
    assert type(encoder) is ResNet
    assert (encoder.depth, encoder.width, encoder.stem, encoder.pooling) == (18, 0.0625, "cifar", None)
    encoder = component_from_text("encoder", 'ConvNet widths=[4, 8] input_shape=["none", "none", 1]')
    assert type(encoder) is ConvNet
    assert encoder.input_shape == (None, None, None, 1) and encoder.output_shape == (None, 8)


def test_an_objective_is_given_its_encoder():
    encoder = ConvNet(widths=(4,))
    model = component_from_text("objective", "BarlowTwins projector=[6,5]", encoder=encoder, seed=3)
    assert model.encoder is encoder and model.seed == 3 and model.projector.widths == (6, 5)


@pytest.mark.parametrize(
    "text, message",
    [
        ("ResNett", "`encoder.name` is unknown. Closest: ResNet. Received: encoder.name='ResNett'"),
        ("", "Received: encoder.name=''"),
        ("ResNet deep=50", r"ResNet has no setting 'deep'; \[encoder\] knows depth.*Received: encoder.deep=50"),
        ("ResNet depth=7", r"In 'ResNet depth=7': `depth` must be one of.*Received: depth=7"),
        ("ResNet 50", "Received: encoder.name='ResNet 50'"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ValueError, match=message):
        component_from_text("encoder", text)
