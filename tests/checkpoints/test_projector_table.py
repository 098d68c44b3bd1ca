import pytest

from keras_ssl.checkpoints import projector_table
from keras_ssl.encoders import ConvNet
from keras_ssl.hub import head_weights
from keras_ssl.objectives import WMSE, SimCLR, SupCon, VICReg

NORM = ("weight", "bias", "running_mean", "running_var")


@pytest.mark.parametrize(
    "model, keys",
    [
        (
            lambda encoder: VICReg(encoder, projector=(6, 5, 4)),
            ["0.weight", "0.bias", *(f"1.{name}" for name in NORM)]
            + ["3.weight", "3.bias", *(f"4.{name}" for name in NORM), "6.weight"],
        ),
        (
            lambda encoder: WMSE(encoder, projector=(6, 5)),
            ["0.weight", "0.bias", *(f"1.{name}" for name in NORM), "3.weight", "3.bias"],
        ),
        (lambda encoder: SupCon(encoder, projector=(6, 5)), ["0.weight", "0.bias", "2.weight"]),
        (
            lambda encoder: SimCLR(encoder, projector=(6, 5)),
            ["0.weight", *(f"1.{name}" for name in NORM), "3.weight", "4.weight", "4.running_mean", "4.running_var"],
        ),
        (lambda encoder: SupCon(encoder, projector=(5,)), ["0.weight"]),
    ],
)
def test_places_count_layers_without_weights(model, keys):
    names = head_weights(model(ConvNet(widths=(4,))))
    table = projector_table(names)
    assert list(table.weights) == [f"projector.{key}" for key in keys]
    assert [weight.name for weight in table.weights.values()] == list(names)


@pytest.mark.parametrize(
    "name", ["predictor/dense1/kernel", "projector/dense1/scale", "teacher/projector/output/kernel", "projector/kernel"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"a projector's can be read and no others. Received: name='{name}'"):
        projector_table(["projector/output/kernel", name])
