import pytest

from keras_ssl.hub.training_section import TRAINING_DEFAULTS, check_training


def sections(schedule=None, optimizer=None, **training):
    tables = {"training": {**TRAINING_DEFAULTS, **training}, "optimizer": optimizer or {"learning_rate": 0.1}}
    return tables if schedule is None else {**tables, "schedule": schedule}


def test_defaults_and_a_fitting_schedule_pass():
    check_training(sections())
    check_training(sections(schedule={"warmup_epochs": 0.5}, epochs=1, precision="mixed_float16", jit_compile=True))


@pytest.mark.parametrize(
    "key, value",
    [
        ("batch_size", 1),
        ("batch_size", 2.5),
        ("batch_size", True),
        ("epochs", 0),
        ("epochs", "ten"),
        ("seed", -1),
        ("jit_compile", "yes"),
        ("precision", "float12"),
        ("precision", 3),
    ],
)
def test_values_out_of_range_are_named(key, value):
    with pytest.raises(ValueError, match=f"`training.{key}` must be.*Received: training.{key}={value!r}"):
        check_training(sections(**{key: value}))


@pytest.mark.parametrize("warmup", [10, -1, "x", True])
def test_the_warm_up_is_shorter_than_the_run(warmup):
    with pytest.raises(ValueError, match="schedule.warmup_epochs=.*training.epochs=10"):
        check_training(sections(schedule={"warmup_epochs": warmup}, epochs=10))


@pytest.mark.parametrize("optimizer", [{"name": "LARS"}, {"learning_rate": "fast"}, {"learning_rate": False}])
def test_a_schedule_needs_a_number_to_rise_to(optimizer):
    with pytest.raises(ValueError, match="rises to `optimizer.learning_rate`"):
        check_training(sections(schedule={}, optimizer=optimizer))
    check_training(sections(optimizer=optimizer))
