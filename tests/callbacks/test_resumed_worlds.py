"""Runs on several devices and in several processes: they go on, with as many or with fewer, as if nothing had been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ssl.testing.run_steps import TIMEOUT_SECONDS, worker_environments
from tests.callbacks.tiny_run import everything
from tests.callbacks.worlds_run import BATCH, EPOCHS, STEPS, copy_step, small, train

ROOT = Path(__file__).parents[2]


def start(tmp_path, replicas, places, workers=1, epochs=EPOCHS, pause=0.0):
    options = [replicas, epochs, pause, tmp_path / "out", *places]
    environments = worker_environments(keras.backend.backend(), workers, replicas // workers)
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.callbacks.worlds_run", *map(str, options)],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in environments
    ]


def end(processes, code=0):
    """Waits for them; the steps at which they say that they begin."""
    try:
        outputs = [process.communicate(timeout=TIMEOUT_SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [code] * len(processes), outputs[0][1][-3000:]
    # JAX's collectives have words of their own there.
    return [[int(line) for line in printed.splitlines() if line.isdigit()] for printed, _ in outputs]


def read(tmp_path, number, process=0):
    with np.load(tmp_path / f"out-{process}.npz") as states:
        return {name[2:]: states[name] for name in states.files if name.startswith(f"{number}/")}


def assert_near(got, expected, tolerance=1e-5):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        size = max(1.0, np.abs(array).max(initial=0.0))
        np.testing.assert_allclose(got[name], array, rtol=0, atol=tolerance * size, err_msg=name)


def on_one_device(folder, epochs=EPOCHS):
    model = small()
    history = train(model, folder, epochs).history
    return {**everything(model), **{name: np.asarray(values) for name, values in history.items()}}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_two_devices_resume_in_mid_epoch_as_they_are_and_on_one(tmp_path, workers):
    step = STEPS + 2
    whole, single = tmp_path / "whole", tmp_path / "single"
    said = end(start(tmp_path, 2, [whole, tmp_path / "late", step], workers))
    assert said == [[0, step]] * workers
    for process in range(workers):
        with np.load(tmp_path / f"out-{process}.npz") as states:
            assert states["rows"].tolist() == [BATCH // 2 // workers, BATCH // workers]  # its part of each batch alone
        expected, resumed = read(tmp_path, 0, process), read(tmp_path, 1, process)
        assert resumed.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(resumed[name], array, err_msg=name)
    for folder in ("whole", "late"):  # the chief alone writes what is written once
        assert len(list((tmp_path / f"{folder}-board").iterdir())) == 1
    copy_step(whole, step, single)
    assert_near(on_one_device(single), expected)
    assert_near(on_one_device(tmp_path / "alone"), expected)


def wait_for(folder, step, processes):
    while max((int(path.name[5:]) for path in folder.glob("step-*")), default=0) < step:
        assert all(process.poll() is None for process in processes), processes[0].communicate()[1][-3000:]
        time.sleep(0.01)


@pytest.mark.long
def test_two_processes_resume_after_kill_and_signal(tmp_path):
    folder, epochs = tmp_path / "run", 8
    folder.mkdir()
    processes = start(tmp_path, 2, [folder], workers=2, epochs=epochs, pause=0.2)
    wait_for(folder, 3, processes)
    for process in processes:
        process.kill()
        process.communicate()
    processes = start(tmp_path, 2, [folder], workers=2, epochs=epochs, pause=0.2)
    wait_for(folder, 8, processes)
    os.kill(processes[1].pid, signal.SIGTERM)  # one of them, and not the one that writes
    begun = end(processes, code=128 + signal.SIGTERM)
    assert begun[0] == begun[1] and begun[0] >= [3]
    last = max(int(path.name[5:]) for path in folder.glob("step-*"))
    assert end(start(tmp_path, 2, [folder], workers=2, epochs=epochs)) == [[last]] * 2
    first, second = read(tmp_path, 0, process=0), read(tmp_path, 0, process=1)
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array, err_msg=name)
    # Rounding grows with the number of steps: 2e-5 were seen after these.
    assert_near(on_one_device(tmp_path / "alone", epochs), first, tolerance=4e-5)


@pytest.mark.long
@pytest.mark.parametrize("victim", [0, 1])
def test_when_one_process_is_killed_the_other_says_so_and_all_go_on(tmp_path, victim):
    folder, epochs = tmp_path / "run", 60
    folder.mkdir()
    processes = start(tmp_path, 2, [folder], workers=2, epochs=epochs, pause=0.2)
    wait_for(folder, 3, processes)
    processes[victim].kill()
    _, errors = processes[1 - victim].communicate(timeout=TIMEOUT_SECONDS)
    assert processes[1 - victim].returncode not in (0, None)
    if victim:  # the chief of JAX takes the others with it, whatever they would say
        assert "RuntimeError: Training ends because another process of it has ended." in errors
    last = max(int(path.name[5:]) for path in folder.glob("step-*"))
    again = end(start(tmp_path, 2, [folder], workers=2, epochs=last // STEPS + 1))
    assert again == [[last]] * 2
