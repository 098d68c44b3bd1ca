import importlib

import keras
import numpy as np
import pytest

jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="reads XLA's account of a JAX program")
SMALL = ["encoder.name=ConvNet", "encoder.widths=[8, 16]"]
MOCO = ["objective.version=2", "objective.predictor=none", "views.version=2"]
POOL = {"dataset_size": 8, "clusters": 2, "negatives": 2, "pool": 4}


def values(weights):
    return [keras.ops.convert_to_numpy(weight).copy() for weight in weights]


@pytest.fixture
def worker():
    return importlib.import_module("keras_ssl_memory")


def test_every_objective_has_a_case(script):
    import keras_ssl
    from keras_ssl.hub.recipe import Recipe

    cases = list(script("memory").cases())
    measured = {Recipe.read(case.recipe).sections["objective"]["name"] for case in cases}
    assert measured == set(keras_ssl.objectives.__all__)
    assert len({case.name for case in cases}) == len(cases)


def test_met_says_whether_the_ratio_keeps_to_the_target(script):
    memory = script("memory")
    assert memory.Row("c", 110 * 2**20, 100 * 2**20).cells()[1:] == ["110 MiB", "100 MiB", "1.100", "1.1", "yes"]
    assert memory.Row("c", 1.11, 1.0).cells()[-1] == "no"


def test_what_is_large_is_counted_in_copies_of_it(script):
    memory = script("memory")
    case = memory.Case("moco", "r", large=("queue", 2**20))
    said = memory.copies(case, memory.Row("moco", 5.5 * 2**20, 4 * 2**20))
    assert said.startswith("moco: +1.50 of one queue (1 MiB)")
    assert memory.copies(memory.Case("moco", "r"), memory.Row("moco", 2.0, 1.0)) == ""


def test_a_case_that_fails_fills_its_row(script):
    memory = script("memory")

    def fails(case):
        raise RuntimeError("a traceback\nMemoryError: too large")

    assert memory.measured(fails, memory.Case("c", "r")).cells()[-1] == "not measured: MemoryError: too large"


@jax_only
def test_what_may_be_overwritten_counts_once(worker):
    import jax

    def program(donated):
        jitted = jax.jit(lambda x: x + 1.0, donate_argnums=(0,) if donated else ())
        return worker.account(jitted.lower(jax.ShapeDtypeStruct((1024,), "float32")).compile())

    assert program(True)["state"] == 4096 and program(False)["state"] == 2 * 4096


@pytest.mark.slow
@jax_only
def test_a_step_needs_little_more_than_the_bare_loop(worker):
    overrides = [*SMALL, "objective.projector=[512, 512]"]
    run, _ = worker.compiled("barlow_twins_cifar10", overrides, "barlow_twins", size=16, batch_size=16)
    said = run()
    ours, bare = (sum(said[side].values()) for side in ("ours", "bare"))
    assert bare > 2**20
    assert ours <= bare + 2**20


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="runs TensorFlow's loops")
@pytest.mark.parametrize(
    ("loss", "recipe", "overrides"),
    [
        ("plain", "moco", MOCO),
        ("moco", "moco", MOCO),
        ("ressl", "ressl", []),
        ("interclr", "interclr", [f"objective.{key}={value}" for key, value in POOL.items()]),
    ],
)
def test_the_bare_loop_trains(worker, loss, recipe, overrides):
    overrides = [*SMALL, "objective.projector=[16, 8]", "objective.queue_size=16", *overrides]
    made = []
    original, worker.model_of = worker.model_of, lambda *given: made.append(original(*given)) or made[-1]
    try:
        run, _ = worker.bare(f"{recipe}_cifar10", overrides, loss, size=16, batch_size=4)
    finally:
        worker.model_of = original
    (model,) = made
    before = values([*model.trainable_variables, model.queue.contents])
    teacher = values(model.teacher.averaged_weights)
    assert run()["before"] > 0
    after = values([*model.trainable_variables, model.queue.contents])
    changed = [not np.array_equal(a, b) for a, b in zip(after, before, strict=True)]
    assert all(changed[:-1]) and changed[-1] == (loss != "plain")
    followed = zip(values(model.teacher.averaged_weights), teacher, strict=True)
    assert any(not np.array_equal(a, b) for a, b in followed)
