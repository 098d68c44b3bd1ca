"""Every registered objective passes the public conformance suite."""

import keras
import pytest

import keras_ssl
from keras_ssl.testing import check_objectives
from keras_ssl.testing.check_objective import CHECKS
from tests.objectives.tiny import OBJECTIVES

ELSEWHERE = ("backends", "replicas")


def test_every_objective_of_the_library_is_checked():
    checked = {type(make_model()) for make_model in OBJECTIVES.values()}
    assert checked == {getattr(keras_ssl.objectives, name) for name in keras_ssl.objectives.__all__}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_config_names_every_argument(name):
    model = OBJECTIVES[name]()
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_objective_keeps_its_contracts_on_this_backend(name):
    here = [check for check in CHECKS if check not in ELSEWHERE]
    check_objectives({name: OBJECTIVES[name]}, checks=here)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="starts the other backend itself")
def test_objectives_equal_on_both_backends_and_on_several_devices():
    check_objectives(OBJECTIVES, checks=ELSEWHERE)
