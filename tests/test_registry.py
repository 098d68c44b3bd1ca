"""The registry: names without imports, third parties' methods, saved models of methods that are not imported yet."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import registry
from keras_ssl.registry import find, list_methods, names, register


@register("objective", family="contrastive", paper="https://example.org")
class TheirObjective(keras_ssl.SimCLR):
    """A third party's objective."""


@register("encoder")
def their_encoder(width: int = 4):
    return keras_ssl.encoders.ConvNet((width,))


@register("schedule")
class TheirSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, total_steps, warmup_steps, factor=1.0):
        self.peak, self.factor = peak, factor

    def __call__(self, step):
        return self.peak * self.factor

    def get_config(self):
        return {"peak": self.peak, "total_steps": 1, "warmup_steps": 0, "factor": self.factor}


def test_methods_by_family_and_labels():
    assert {"BarlowTwins", "VICReg"} <= set(list_methods(family="decorrelation"))
    assert "SupCon" in list_methods(needs_labels=True) and "SupCon" not in list_methods(needs_labels=False)
    assert "TheirObjective" in list_methods(family="contrastive")
    assert not list_methods(modality="table") or "SimCLR" not in list_methods(modality="table")


def test_every_name_of_the_library_is_found_in_its_file():
    for name, module in registry.library_names("objective").items():
        entry = find("objective", name)
        assert entry is not None and entry.target.__module__ == module and entry.paper
        assert entry.family == module.split(".")[2], "the family is the folder"


def test_unknown_names_and_kinds():
    assert find("objective", "NoSuchThing") is None
    with pytest.raises(ValueError, match="Received: kind='thing'"):
        register("thing")
    with pytest.raises(ValueError, match="must be new.*Received: name='SimCLR'"):

        @register("objective", name="SimCLR")
        class Other(keras_ssl.SimCLR):
            pass

    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = keras_ssl.NoSuchThing


def test_a_name_of_the_library_is_taken_before_its_file_is_imported(monkeypatch):
    monkeypatch.setattr(registry, "_entries", {})
    with pytest.raises(
        ValueError, match="must be new: keras_ssl.objectives.decorrelation.mmcr has registered it.*name='MMCR'"
    ):
        register("objective", name="MMCR")(TheirObjective)


def test_a_recipe_names_a_third_party_s_method_encoder_and_schedule():
    recipe = keras_ssl.Recipe(
        {
            "objective": {"name": "TheirObjective", "projector": [8, 4]},
            "encoder": {"name": "their_encoder", "width": 6},
            "optimizer": {"name": "SGD", "learning_rate": 0.1},
            "schedule": {"name": "TheirSchedule", "factor": 0.5},
        }
    )
    model = recipe.build_model()
    assert type(model) is TheirObjective and model.feature_dim == 6
    assert recipe.build_optimizer(3).learning_rate == pytest.approx(0.05)
    with pytest.raises(ValueError, match="TheirObjective has no setting 'wrong'"):
        recipe.override("objective.wrong=1")


def test_names_hold_the_library_s_and_others():
    assert {"SimCLR", "TheirObjective"} <= set(names("objective")) and "their_encoder" in names("encoder")


PROGRAM = """
import sys, numpy, keras, keras_ssl
loaded = [name for name in sys.modules if name.startswith("keras_ssl.objectives.")]
assert not loaded, loaded
model = keras.saving.load_model(sys.argv[1])
assert type(model).__name__ == "SimCLR"
assert "keras_ssl.objectives.self_distillation.byol" not in sys.modules
print(float(numpy.abs(model.predict(numpy.load(sys.argv[2]), verbose=0)).sum()))
"""


def test_importing_the_library_imports_no_method_and_saved_ones_load(tmp_path):
    model = keras_ssl.SimCLR(keras_ssl.encoders.ConvNet((4,)), projector=(8, 4))
    x = np.random.RandomState(0).randint(0, 256, (2, 8, 8, 3)).astype("uint8")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", PROGRAM, tmp_path / "model.keras", tmp_path / "x.npy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[-1]) == pytest.approx(float(np.abs(model.predict(x, verbose=0)).sum()), rel=1e-5)


@pytest.mark.parametrize("part", ["adaptation", "callbacks", "checkpoints", "evaluation", "hub", "testing"])
def test_parts_that_the_documents_name_are_imported_when_asked_for(part):
    # By the function, because a part that a test has imported is an attribute already.
    assert keras_ssl.__getattr__(part).__name__ == f"keras_ssl.{part}" and part in dir(keras_ssl)
