import keras
import pytest

from keras_ssl import objectives, views
from keras_ssl.hub.components import SECTIONS, check_keys, component
from keras_ssl.optimizers import LARS


def test_names_of_the_library_and_of_keras():
    assert component("objective", {"name": "MoCo"}).target is objectives.MoCo
    assert component("optimizer", {"name": "LARS"}).target is LARS
    assert component("optimizer", {"name": "AdamW"}).target is keras.optimizers.AdamW
    for name in ("simclr", "barlow_twins", "byol", "moco"):
        assert component("views", {"name": name}).target is getattr(views, name)
    assert component("views", {"name": "pipeline"}).known == ("ops", "copies", "local_ops", "local_copies", "weak_ops")


def test_known_keys_are_the_arguments_less_what_other_sections_say():
    assert component("objective", {"name": "SimCLR"}).known == ("projector", "temperature", "batch_norm")
    assert component("encoder", {"name": "ConvNet"}).known == ("widths", "input_shape", "pooling")
    assert component("encoder", {"name": "ViT"}).known[:4] == ("variant", "patch_size", "width", "depth")
    assert component("schedule", {"name": "WarmupCosine"}).known == ("warmup_epochs", "start", "final")
    known = ("seed", "size", "count", "textured", "on_device", "labels", "ratio")
    assert component("data", {"name": "colored_digits"}).known == known
    assert component("views", {"name": "byol"}).known == ("size", "strength", "blur", "min_scale", "color")
    assert component("preprocessing", {}).known == ("mean", "std", "value_range", "clip")
    assert "clipnorm" in component("optimizer", {"name": "LARS"}).known


@pytest.mark.parametrize("section", [s for s in SECTIONS if s not in ("training", "preprocessing")])
@pytest.mark.parametrize("name", [None, 3, "nothing", "os", "Lambda"])
def test_unknown_names_are_errors(section, name):
    with pytest.raises(ValueError, match=r"(must have a `name`|is unknown|must be a name).*Received: "):
        component(section, {"name": name} if name is not None else {})


def test_the_closest_name_is_offered():
    with pytest.raises(ValueError, match="Closest: .*SimCLR.* Received: objective.name='SimCRL'"):
        component("objective", {"name": "SimCRL"})
    with pytest.raises(ValueError, match="Closest: .*colored_digits.*Received: data='coloured_digits'"):
        component("data", {"name": "coloured_digits"})


def test_unknown_keys_list_the_known_ones():
    with pytest.raises(
        ValueError,
        match="SimCLR has no setting 'tau'; .objective. knows projector, temperature, batch_norm. "
        "Received: objective.tau=0.1",
    ):
        check_keys("objective", {"name": "SimCLR", "tau": 0.1})
    with pytest.raises(ValueError, match="training has no setting 'epoch'; .training. knows batch_size, epochs, seed"):
        check_keys("training", {"epoch": 3})
    with pytest.raises(ValueError, match="preprocessing has no setting 'name'"):
        check_keys("preprocessing", {"name": "x"})
    check_keys("optimizer", {"name": "LARS", "eta": 0.02, "clip": True})
