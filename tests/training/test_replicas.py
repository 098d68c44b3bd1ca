import warnings
from types import SimpleNamespace

import keras
import pytest

from keras_ssl.layers import BatchNormalization
from keras_ssl.training.replicas import check_divisible, check_supported, replica_count, warn_of_local_statistics

TENSORFLOW = keras.backend.backend() == "tensorflow"


class ReductionToOneDevice:
    """Stands for tf.distribute's class of that name."""


class NcclAllReduce:
    """Stands for tf.distribute's class of that name."""


def model(replicas=2, device="CPU", jit_compile=False, accumulation=None, steps=1, reduction=NcclAllReduce):
    """What `check_supported` looks at, of a model under a strategy of that many replicas."""
    extended = SimpleNamespace(
        worker_devices=tuple(f"/device:{device}:{number}" for number in range(replicas)),
        _cross_device_ops=reduction(),
    )
    return SimpleNamespace(
        distribute_strategy=SimpleNamespace(num_replicas_in_sync=replicas, extended=extended),
        jit_compile=jit_compile,
        optimizer=SimpleNamespace(gradient_accumulation_steps=accumulation),
        steps_per_execution=steps,
    )


def scaled(made):
    """The same model with its optimizer inside one that scales the loss."""
    made.optimizer = SimpleNamespace(inner_optimizer=made.optimizer)
    return made


def test_one_replica_without_a_distribution():
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert replica_count(plain) == 1


@pytest.mark.skipif(not TENSORFLOW, reason="tf.distribute is TensorFlow's")
def test_replicas_of_a_strategy():
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        assert replica_count(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])) == 1
    assert replica_count(model(replicas=4)) == 4


@pytest.mark.skipif(TENSORFLOW, reason="keras.distribution is JAX's")
@pytest.mark.parametrize("devices", [1, 4])
def test_replicas_of_a_data_parallel_distribution(devices, monkeypatch):
    mesh = keras.distribution.DeviceMesh((devices,), ["batch"], [f"cpu:{number}" for number in range(devices)])
    parallel = keras.distribution.DataParallel(device_mesh=mesh, auto_shard_dataset=False)
    monkeypatch.setattr(keras.distribution, "distribution", lambda: parallel)
    assert replica_count(model()) == devices


@pytest.mark.parametrize(("batch_size", "replicas"), [(8, 1), (7, 1), (8, 2), (8, 8)])
def test_a_batch_that_divides(batch_size, replicas):
    check_divisible(batch_size, replicas)


@pytest.mark.parametrize(("batch_size", "replicas"), [(7, 2), (2, 4), (9, 8)])
def test_a_batch_that_does_not_divide_is_refused(batch_size, replicas):
    with pytest.raises(ValueError, match=f"multiple of the {replicas} replicas. Received: batch_size={batch_size}"):
        check_divisible(batch_size, replicas)


UNSUPPORTED = [
    (lambda: model(jit_compile=True), "jit_compile=False.*Received: jit_compile=True"),
    (lambda: model(accumulation=2), "accumulate.*Received: gradient_accumulation_steps=2"),
    (lambda: scaled(model(accumulation=3)), "accumulate.*Received: gradient_accumulation_steps=3"),
    (lambda: model(steps=4), "ReductionToOneDevice.*Received: steps_per_execution=4"),
]


@pytest.mark.skipif(not TENSORFLOW, reason="tf.distribute is TensorFlow's")
@pytest.mark.parametrize(("made", "message"), UNSUPPORTED)
def test_what_keras_cannot_do_on_several_replicas_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        check_supported(made())


@pytest.mark.skipif(TENSORFLOW, reason="these limits are TensorFlow's")
@pytest.mark.parametrize(("made", "message"), UNSUPPORTED)
def test_jax_has_none_of_these_limits(made, message):
    check_supported(made())


@pytest.mark.parametrize(
    "made",
    [
        lambda: model(),
        lambda: model(jit_compile="auto"),
        lambda: model(replicas=1, jit_compile=True, accumulation=2, steps=4),
        lambda: model(steps=4, reduction=ReductionToOneDevice),
        lambda: model(steps=4, device="GPU"),
        lambda: scaled(model()),
    ],
    ids=[
        "plain",
        "jit auto",
        "one replica",
        "reduction to one device",
        "several steps on GPUs",
        "loss scaling",
    ],
)
def test_what_works_passes(made):
    check_supported(made())


def norms(*layers, replicas=2):
    made = model(replicas)
    made._flatten_layers = lambda: iter(layers)
    return made


def frozen(layer):
    layer.trainable = False
    return layer


@pytest.mark.skipif(not TENSORFLOW, reason="JAX's arrays are global")
def test_batch_norms_of_a_replica_are_named():
    layers = [keras.layers.BatchNormalization(name=f"bn{number}") for number in range(1, 6)]
    with pytest.warns(UserWarning, match=r"Received: layers=\['bn1', 'bn2', 'bn3'\] and 2 others$"):
        warn_of_local_statistics(norms(*layers, keras.layers.Dense(2)))
    with pytest.warns(UserWarning, match=r"Received: layers=\['bn1'\]$"):
        warn_of_local_statistics(norms(layers[0], BatchNormalization()))


@pytest.mark.skipif(not TENSORFLOW, reason="JAX's arrays are global")
def test_nothing_is_said_where_there_is_nothing_to_say():
    plain = keras.layers.BatchNormalization
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_local_statistics(norms(plain(), replicas=1))
        warn_of_local_statistics(norms(BatchNormalization(), frozen(plain()), keras.layers.Dense(2)))
