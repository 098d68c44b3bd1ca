"""Configurations that are collected from signatures."""

import inspect
from types import SimpleNamespace
from typing import Any, ClassVar

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.signature_config import plain, signature_config
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.views import View


class Root:
    def __init__(self, place: int = 0) -> None:
        self.place = place


class Base(Root):
    def __init__(self, sizes: Any = (1, 2), rate: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes, self.rate = sizes, rate


class Fixed(Base):
    fixed_arguments: ClassVar[tuple[str, ...]] = ("rate",)
    stored_as: ClassVar[dict[str, str]] = {"count": "queue.size"}

    def __init__(self, count: int = 3, **kwargs: Any) -> None:
        super().__init__(rate=0.25, **kwargs)
        self.queue = SimpleNamespace(size=count)


class Closed(Base):
    def __init__(self, own: Any = None) -> None:
        super().__init__()
        self.own = own


def test_arguments_come_from_all_signatures_below_the_root_and_follow_changed_attributes():
    made = Base(sizes=(np.int64(3), 4))
    assert signature_config(made, Root) == {"rate": 0.5, "sizes": [3, 4]}
    made.rate = 0.75
    assert signature_config(made, Root)["rate"] == 0.75


def test_fixed_arguments_are_left_out_and_others_are_read_where_they_are_kept():
    assert signature_config(Fixed(count=7), Root) == {"sizes": [1, 2], "count": 7}


def test_a_class_without_further_arguments_ends_the_collection():
    assert signature_config(Closed(own={"a": (1,)}), Root) == {"own": {"a": [1]}}


class Hidden(Base):
    def __init__(self, depth: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._depth = depth


class Written(Hidden):
    def get_config(self) -> dict[str, Any]:
        return {**signature_config(self, Root), "depth": self._depth}


def test_an_argument_that_nothing_holds_is_named():
    with pytest.raises(AttributeError, match=r"`Hidden` must keep .* the attribute `depth`.*argument='depth'"):
        signature_config(Hidden(), Root)


def test_a_get_config_of_its_own_writes_what_no_attribute_holds():
    assert Written(depth=2).get_config() == {"rate": 0.5, "sizes": [1, 2], "depth": 2}


def test_values_are_those_that_json_holds():
    found = plain({"a": (np.float32(0.5), np.arange(2)), "b": None, "c": "x"})
    assert found == {"a": [0.5, [0, 1]], "b": None, "c": "x"} and type(found["a"][0]) is float
    layer = plain(keras.layers.Dense(3, name="three"))
    assert layer["class_name"] == "Dense" and layer["config"]["units"] == 3


@keras.saving.register_keras_serializable(package="tests_signature")
class Outsider(keras_ssl.SimCLR):
    """As a user writes one, with a private attribute and a `get_config`."""

    def __init__(self, encoder: keras.Model, margin: float = 0.1, **kwargs: Any) -> None:
        super().__init__(encoder, **kwargs)
        self._margin = margin

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self._margin}


def test_an_objective_from_outside_may_write_its_own():
    config = Outsider(tiny_encoder(), margin=0.3, temperature=0.2, projector=(8, 4)).get_config()
    assert (config["margin"], config["temperature"], config["projector"]) == (0.3, 0.2, [8, 4])
    again = Outsider.from_config(config)
    assert again._margin == 0.3 and again.get_config() == config


def test_a_given_teacher_outlives_a_file(tmp_path):
    """A model whose teacher is not its encoder's start goes on with that teacher, though no step was taken."""
    teacher = tiny_model("SelfDistilledFurtherPretraining").encoder
    model = tiny_model("SelfDistilledFurtherPretraining", teacher=teacher)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.before_first_step()
    for mine, its in zip(teacher.get_weights(), again.teacher.modules[0].get_weights(), strict=True):
        assert np.array_equal(mine, its)


def _configured(kind, base):
    """Whether a class below Keras' or our base writes its arguments, or has none."""
    own = [part for part in kind.__mro__[: kind.__mro__.index(base)] if not part.__module__.startswith("keras.")]
    arguments = {
        parameter.name
        for part in own
        if "__init__" in vars(part)
        for parameter in list(inspect.signature(vars(part)["__init__"]).parameters.values())[1:]
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    return not arguments or any("get_config" in vars(part) for part in (*own, *([View] if base is View else [])))


@pytest.mark.once
def test_every_layer_loss_and_view_writes_its_arguments():
    def found():
        for package in (keras_ssl.layers, keras_ssl.losses, keras_ssl.views, keras_ssl.views.masks, keras_ssl.encoders):
            for name in package.__all__:
                kind = getattr(package, name)
                for base in (keras.layers.Layer, keras.losses.Loss, View):
                    if isinstance(kind, type) and issubclass(kind, base) and kind is not base:
                        yield kind, base

    kinds = list(found())
    assert len(kinds) > 70
    assert [kind.__name__ for kind, base in kinds if not _configured(kind, base)] == []
    with_none = type("Forgetful", (keras.layers.Layer,), {"__init__": lambda self, size, **kwargs: None})
    assert not _configured(with_none, keras.layers.Layer)
