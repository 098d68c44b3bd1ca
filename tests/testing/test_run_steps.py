import numpy as np
import pytest

from keras_ssl.testing.run_steps import _packed, _unpacked, worker_environments


@pytest.mark.parametrize(
    ("backend", "flags"),
    [("jax", "--xla_a=1 --xla_b --xla_force_host_platform_device_count=4"), ("tensorflow", "--xla_a=1 --xla_b")],
)
def test_flags_of_xla_are_handed_on_but_the_number_of_devices(backend, flags, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1 --xla_force_host_platform_device_count=8 --xla_b")
    (environment,) = worker_environments(backend, workers=1, devices=4)
    assert environment["XLA_FLAGS"] == flags


def test_columns_go_to_another_process_by_their_names(tmp_path):
    arrays = {"x": {"age": np.arange(3.0), "x.y": np.arange(3)}, "y": np.zeros(3, "int32")}
    np.savez(tmp_path / "in.npz", **_packed(arrays))
    with np.load(tmp_path / "in.npz") as file:
        read = _unpacked(file)
    assert list(read["x"]) == ["age", "x.y"] and set(read) == {"x", "y"}
    np.testing.assert_array_equal(read["x"]["x.y"], arrays["x"]["x.y"])
    assert _packed({"x": np.ones(2)}).keys() == {"x"}
