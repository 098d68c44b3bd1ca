import pytest

from keras_ssl.testing.run_steps import worker_environments


@pytest.mark.parametrize(
    ("backend", "flags"),
    [("jax", "--xla_a=1 --xla_b --xla_force_host_platform_device_count=4"), ("tensorflow", "--xla_a=1 --xla_b")],
)
def test_flags_of_xla_are_handed_on_but_the_number_of_devices(backend, flags, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1 --xla_force_host_platform_device_count=8 --xla_b")
    (environment,) = worker_environments(backend, workers=1, devices=4)
    assert environment["XLA_FLAGS"] == flags
