"""Every registered objective passes the public conformance suite."""

import gc

import keras
import pytest

import keras_ssl
from keras_ssl.testing import check_objectives
from keras_ssl.testing.check_objective import CHECKS
from tests.objectives.tiny import OBJECTIVES
from tests.selection.selection import FAMILIES


def test_every_objective_of_the_library_is_checked():
    checked = {type(make_model()) for make_model in OBJECTIVES.values()}
    assert checked == {getattr(keras_ssl.objectives, name) for name in keras_ssl.objectives.__all__}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_config_names_every_argument(name):
    model = OBJECTIVES[name]()
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


# One method of each kind: batch statistics, all pairs, teacher and predictor, queue. `make test` takes two of them
# through every check on TensorFlow and one on JAX; `make test-long` does the rest.
KINDS = ("barlow_twins", "simclr", "byol", "moco")
# Those that the gate always takes stand together, so that they share their processes.
SHOWN = [name for names in FAMILIES.values() for name in names]
OTHERS = sorted((name for name in OBJECTIVES if name not in KINDS), key=lambda name: name not in SHOWN)
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
IN_TEST = list(OBJECTIVES) if ON_TENSORFLOW else ["byol", "moco"]
ELSEWHERE = ("backends", "replicas", "workers")
HERE = [check for check in CHECKS if check not in ELSEWHERE]
COMPILING = ("jit", "precision")  # half of the time goes into compiling the steps for these
PART = 4  # methods that share the processes of a check elsewhere


def parts(names):
    return [pytest.param(names[n : n + PART], id="-".join(names[n : n + PART])) for n in range(0, len(names), PART)]


def check(names, checks, **options):
    check_objectives({name: OBJECTIVES[name] for name in names}, checks=checks, **options)


@pytest.fixture(autouse=True)
def forget():
    """Compiled steps of some thirty models would fill a small machine's memory."""
    yield
    keras.backend.clear_session()
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
    gc.collect()


# All but two take five minutes together: CI runs them, and whoever adds one (`-k NAME`).
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ("barlow_twins", "moco") else pytest.mark.long) for name in IN_TEST]
)
def test_objective_keeps_its_contracts_on_this_backend(name):
    check([name], [check for check in HERE if name in KINDS or check not in COMPILING])


@pytest.mark.long
@pytest.mark.skipif(not ON_TENSORFLOW, reason="the other backend's are below")
@pytest.mark.parametrize("name", OTHERS)
def test_other_objectives_compile_and_stay_finite(name):
    check([name], COMPILING)


@pytest.mark.long
@pytest.mark.skipif(not ON_TENSORFLOW, reason="starts the other backend itself")
@pytest.mark.parametrize("names", parts(OTHERS))
def test_other_objectives_equal_on_the_other_backend_and_on_two_devices(names):
    check(names, ["backends"])
    check(names, ["replicas"], replicas=[2], backends=["tensorflow"])


@pytest.mark.long
@pytest.mark.skipif(not ON_TENSORFLOW, reason="starts the other backend itself")
@pytest.mark.parametrize("names", [pytest.param(KINDS, id="kinds")])  # by which the gate sees whose test it is
def test_one_of_each_kind_equals_on_both_backends_and_on_several_devices(names):
    check(names, ["backends", "replicas"])


@pytest.mark.long
@pytest.mark.skipif(not ON_TENSORFLOW, reason="starts both backends itself")
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_processes_take_the_steps_of_one(backend):
    check([*KINDS, "swav", "dino"], ["workers"], backends=[backend])


@pytest.mark.long
@pytest.mark.skipif(ON_TENSORFLOW, reason="`make test` does it on this backend")
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in IN_TEST])
def test_other_objectives_keep_their_contracts_on_this_backend(name):
    check([name], HERE)


@pytest.mark.long
@pytest.mark.skipif(not ON_TENSORFLOW, reason="starts the other backend itself")
@pytest.mark.parametrize("names", parts(OTHERS))
def test_other_objectives_equal_on_several_devices(names):
    check(names, ["replicas"], replicas=[4], backends=["tensorflow"])
    check(names, ["replicas"], backends=["jax"])
