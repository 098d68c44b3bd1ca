"""A process with two logical devices for the tests that need them: to import TensorFlow takes longer than they do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# One strategy serves all programs: the collectives of a second one in the same process meet those of the first.
SERVER = """
import json, os, sys, traceback
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what programs print is no answer
for line in sys.stdin:
    failed = None
    try:
        exec(json.loads(line), {"tf": tf, "mirrored": mirrored})
    except BaseException:
        failed = traceback.format_exc()
    print(json.dumps(failed), file=answers, flush=True)
"""


@pytest.fixture(scope="session")
def two_replicas():
    """A function that runs a program, which finds `tf` and the strategy `mirrored`; the traceback, if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:

        def run(program):
            process.stdin.write(json.dumps(program) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()
