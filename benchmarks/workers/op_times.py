"""Where another job's time goes: each kind of operation, how often it runs and for how long."""

import re
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

# TensorFlow notes a kernel as `its name:its kind`, and much else in other forms.
_KERNEL = re.compile(r"[^:]*[^:]:(_?[A-Z]\w*)")


def watched(profiler: str, factory: str, options: dict[str, Any]) -> tuple[Callable[[], Any], int]:
    """A round runs the job twice: it says `cpu`, processor seconds, and `operations`, {kind: [count, seconds]}.

    Args:
        profiler: "tensorflow" or "torch": whose operations are timed.
        factory, options: the job.
    """
    module, function = factory.split(":")
    run, items = getattr(import_module(module), function)(**options)
    operations_of = {"tensorflow": _tensorflow, "torch": _torch}[profiler]

    def job() -> dict[str, Any]:
        before = time.process_time()
        run()
        cpu = time.process_time() - before  # of a run of its own: a profiler takes time itself
        return {"cpu": cpu, "operations": operations_of(run)}

    return job, items


def _tensorflow(run: Callable[[], Any]) -> dict[str, list[float]]:
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            run()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(file.read_bytes())
    found: dict[str, list[float]] = {}
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            kernel = _KERNEL.fullmatch(plane.event_metadata[event.metadata_id].name)
            if kernel:
                count, seconds = found.get(kernel[1], (0, 0.0))
                found[kernel[1]] = [count + 1, seconds + event.duration_ps * 1e-12]
    return found


def _torch(run: Callable[[], Any]) -> dict[str, list[float]]:
    from lightly_imports import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        run()
    return {event.key: [event.count, event.self_cpu_time_total * 1e-6] for event in seen.key_averages()}
