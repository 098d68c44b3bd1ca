"""The public conformance suite of objectives."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.precision import dtype_policy
from keras_ssl.random import Stream
from keras_ssl.testing.half_operations import half_operations
from keras_ssl.testing.run_steps import Job, Recording, compile_for, record, run_elsewhere
from keras_ssl.training import SSLModel
from keras_ssl.training.labelled_model import LabelledModel

CHECKS = ("config", "file", "gradient", "jit", "precision", "resume", "collapse", "backends", "replicas", "workers")
COLLAPSED_BELOW = 0.05
_OVERFLOWING, _USUAL = 2.0**126, 2.0**15  # scales of a loss; the second is Keras' first

Factory = Callable[[], SSLModel]


class ConformanceError(ValueError):
    """An object of the library's kinds does not keep the contract that its kind promises."""


def check_objective(make_model: Factory, arrays: Mapping[str, Any] | None = None, **options: Any) -> None:
    """Checks that an objective keeps the library's contracts. For your own objectives as for the library's.

    Args:
        make_model: makes a new model, the same each time but for its random weights; use a small encoder.
        arrays: a small data set by batch key. Defaults to 36 random samples with labels: uint8 images of 16 pixels, or
            the columns that the encoder takes, numbers or the categories 0 and 1.
        **options: as for `check_objectives`.

    Raises:
        ConformanceError: naming the check that failed and what was found.

    Example:

    ```python
    from keras_ssl.testing import check_objective
    check_objective(lambda: MyObjective(keras_ssl.encoders.ConvNet((8, 16))))
    ```
    """
    check_objectives({"objective": make_model}, arrays, **options)


def check_objectives(
    factories: Mapping[str, Factory],
    arrays: Mapping[str, Any] | None = None,
    *,
    checks: Sequence[str] = CHECKS,
    replicas: Sequence[int] = (2, 4),
    backends: Sequence[str] = ("tensorflow", "jax"),
    modules: Sequence[str] = (),
    learning_rate: float = 1e-4,
) -> None:
    """`check_objective` for several objectives, sharing the processes that other backends and replicas take.

    The checks, by name: `config` (round trip), `file` (`.keras` gives the same features), `gradient` (every trainable
    weight learns), `jit` (the step computes the same compiled by XLA and not), `precision` (under mixed bfloat16 and
    float16 losses and weights stay finite, the objective and its state compute in float32, and a step whose gradient
    overflows under loss scaling changes nothing but the count of steps, moving statistics and the scale),
    `resume` (interrupted and resumed equals uninterrupted), `collapse` (a constant input shows in `embedding_std`),
    `backends` (TensorFlow and JAX take the same steps), `replicas` (several devices take the steps of one), `workers`
    (so do two processes). The last three compare the losses, the gradients and all weights (the model's whole state:
    teacher, queue, center, prototypes): to 1e-5, gradients to 1e-4.

    Args:
        factories: objectives by name.
        arrays: as for `check_objective`.
        checks: which to make. Defaults to all.
        replicas: numbers of devices to compare with one. Defaults to `(2, 4)`.
        backends: on which to compare numbers of devices and processes. Defaults to both.
        modules: modules to import in other processes, where the objectives are registered.
        learning_rate: of the SGD steps that are compared. Defaults to 1e-4: small enough
            that rounding does not grow from step to step.

    Raises:
        ConformanceError: naming the objective, the check that failed and what was found.
    """
    unknown = sorted(set(checks) - set(CHECKS))
    if unknown:
        raise ValueError(f"`checks` must be among {CHECKS}. Received: checks={unknown}")
    with tempfile.TemporaryDirectory() as folder:
        jobs, references = {}, {}
        for name, make_model in factories.items():
            path = str(Path(folder, f"{name}.keras"))
            model = make_model()
            data = random_arrays(model) if arrays is None else arrays
            job = Job(model=path, arrays=data, epochs=2, learning_rate=learning_rate)
            job = replace(job, jit_compile=_compiled_by_xla(keras.backend.backend()))
            model.save(path)
            if "config" in checks:
                _check_config(name, model)
            if "file" in checks:
                _check_file(name, model, path, data)
            weights = str(Path(folder, f"{name}.weights.h5"))
            references[name] = record(model, job, save_first_epoch=weights if "resume" in checks else None)
            if "gradient" in checks:
                _check_gradient(name, model, references[name].start)
            if "jit" in checks:
                compare_recordings(
                    name, "jit", _again(job, replace(job, jit_compile=not job.jit_compile)), references[name]
                )
            if "precision" in checks:
                _check_precision(name, make_model, job)
            if "resume" in checks:
                _check_resume(name, job, references[name], weights)
            if "collapse" in checks:
                _check_collapse(name, job)
            jobs[name] = job
        for check, backend, count, workers in _elsewhere(checks, replicas, backends):
            theirs = {name: replace(job, jit_compile=_compiled_by_xla(backend)) for name, job in jobs.items()}
            recordings = run_elsewhere(theirs, backend, count, modules, workers)
            where = f"{check} ({backend}, {count} devices, {workers} processes)"
            for name, recording in recordings.items():
                compare_recordings(name, where, recording, references[name])


def _compiled_by_xla(backend: str) -> bool:
    """Whether steps are compiled by XLA. TensorFlow's graphs need it not, and a small convolution takes longer by it.

    JAX without it compiles and starts each operation by itself. That takes some ten times as long, and on several
    logical devices of one processor the sums of such operations wait for each other's threads, at worst for ever.
    """
    return backend == "jax"


def _elsewhere(
    checks: Sequence[str], replicas: Sequence[int], backends: Sequence[str]
) -> list[tuple[str, str, int, int]]:
    """What to run in other processes, and for which check: backend, devices, processes that share them."""
    plans = []
    if "backends" in checks:
        plans.append(("backends", "jax" if keras.backend.backend() == "tensorflow" else "tensorflow", 1, 1))
    if "replicas" in checks:
        plans += [("replicas", backend, count, 1) for backend in backends for count in replicas]
    if "workers" in checks:
        plans += [("workers", backend, 2, 2) for backend in backends]
    return plans


def random_arrays(model: SSLModel | None = None) -> dict[str, Any]:
    """Random images, or where the model takes columns such columns, with labels of four classes.

    Every twelve samples have each class. Where the model takes samples without a label (-1), half of them have none.
    """
    stream = Stream(seed=7, step=0, positions=np.arange(36))
    if model is not None and model.takes_columns:
        drawn = {
            name: stream.integers(2) if "int" in keras.backend.standardize_dtype(column.dtype) else stream.normal()
            for name, column in model.encoder.input.items()
        }
        inputs: Any = {name: np.array(keras.ops.convert_to_numpy(column)) for name, column in drawn.items()}
    else:
        inputs = keras.ops.convert_to_numpy(stream.integers(256, (16, 16, 3))).astype("uint8")
    order = np.argsort(keras.ops.convert_to_numpy(stream.normal()).reshape(-1, 12), axis=1)
    groups = (order % 4).astype("int32").reshape(-1)
    unlabeled = isinstance(model, LabelledModel)
    labels = np.where(order.reshape(-1) < 6, groups, np.int32(-1)) if unlabeled else groups
    return {"x": inputs, "y": labels, "group": groups}


def _fail(name: str, check: str, what: str) -> None:
    raise ConformanceError(f"{name} fails the check `{check}`: {what}")


def _load(path: str) -> SSLModel:
    return keras.saving.load_model(path, compile=False)


def _again(saved: Job, job: Job) -> Recording:
    return record(_load(saved.model), job)


def _check_config(name: str, model: SSLModel) -> None:
    config = model.get_config()
    twin = type(model).from_config(config)
    shapes, theirs = ([tuple(w.shape) for w in m.weights] for m in (model, twin))
    if shapes != theirs:
        _fail(name, "config", f"a model made from the config has weights of shapes {theirs} instead of {shapes}")
    again = twin.get_config()
    different = sorted(key for key in {*config, *again} if config.get(key) != again.get(key))
    if different:
        _fail(name, "config", f"these entries change in a round trip: {different}")


def _check_file(name: str, model: SSLModel, path: str, arrays: Mapping[str, Any]) -> None:
    restored = _load(path)
    mine, theirs = model.get_weights(), restored.get_weights()
    if len(mine) != len(theirs) or any(not np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True)):
        _fail(name, "file", "weights read back from a .keras file differ from those saved")
    x = arrays["x"][0] if isinstance(arrays["x"], tuple | list) else arrays["x"]
    difference = np.abs(np.asarray(model.predict(x, verbose=0)) - np.asarray(restored.predict(x, verbose=0))).max()
    if not difference <= 1e-6:
        _fail(name, "file", f"features of the restored model differ by {difference:.1e}")


def _check_gradient(name: str, model: SSLModel, start: list[np.ndarray]) -> None:
    before = dict(zip([id(weight) for weight in model.weights], start, strict=True))
    still = [w.path for w in model.trainable_weights if np.array_equal(np.asarray(w), before[id(w)])]
    if still:
        _fail(name, "gradient", f"no gradient reaches these trainable weights: {still}")
    if not model.trainable_weights:
        _fail(name, "gradient", "the model has no trainable weights")


def _check_precision(name: str, make_model: Factory, job: Job) -> None:
    for half in ("mixed_bfloat16", "mixed_float16"):
        with dtype_policy(half):
            model = make_model()
        optimizer: Any = keras.optimizers.SGD(job.learning_rate)
        if half == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=_OVERFLOWING)
        model.compile(optimizer, jit_compile=job.jit_compile)
        found = half_operations(model, _first(job))
        if found:
            _fail(name, "precision", f"the objective, or its state, computes in half precision under {half}: {found}")
        if half == "mixed_float16":
            _check_skipped(name, model, job)
        for _ in range(4):  # a steep loss halves the scale for some steps before the first update
            recording = record(model, job)
            finite = [np.isfinite(value).all() for value in (recording.losses, *recording.weights)]
            if not all(finite):
                _fail(name, "precision", f"a loss or weight is not finite under {half}; losses {recording.losses}")
            if int(model.updates):
                break
        else:
            _fail(name, "precision", f"the gradient of no step is finite under {half}")


def _check_skipped(name: str, model: SSLModel, job: Job) -> None:
    """A step whose gradient is infinite because of the loss's scale; leaves the model with a usual scale."""
    layers = list(model._flatten_layers())
    moving = [w for layer in layers if isinstance(layer, keras.layers.BatchNormalization) for w in layer.weights]
    free = {id(w) for w in (*moving, model.step, model.total_updates)} - {id(w) for w in model.trainable_weights}
    start = [np.array(weight) for weight in model.weights]
    model.fit(dict(job.arrays), batch_size=job.batch_size, steps_per_epoch=1, verbose=0)
    pairs = zip(model.weights, start, strict=True)
    moved = [w.path for w, old in pairs if id(w) not in free and not np.array_equal(np.asarray(w), old)]
    if moved or int(model.updates):
        _fail(name, "precision", f"a step that loss scaling skips changes {moved or 'the count of updates'}")
    scale: Any = model.optimizer.dynamic_scale
    if float(scale) != _OVERFLOWING / 2:
        _fail(name, "precision", f"a step with an infinite gradient takes the scale from {_OVERFLOWING} to {scale}")
    scale.assign(_USUAL)


def _first(job: Job) -> dict[str, Any]:
    """The first batch of a job's arrays, with the samples' numbers."""
    first = keras.tree.map_structure(lambda part: part[: job.batch_size], dict(job.arrays))
    return {"index": np.arange(job.batch_size, dtype="int32"), **first}


def _check_resume(name: str, job: Job, reference: Recording, weights: str) -> None:
    """A new model that goes on from what a run of two epochs saved after its first, against that run."""
    model = _load(job.model)
    compile_for(model, job)
    model.load_weights(weights)
    late = record(model, job, initial_epoch=1)
    early = reference.losses[: len(reference.losses) - len(late.losses)]
    compare_recordings(
        name, "resume", replace(late, losses=np.concatenate([early, late.losses]), start=reference.start), reference
    )


def _check_collapse(name: str, job: Job) -> None:
    model = _load(job.model)
    if getattr(model, "mask", None) is not None:
        return  # the features of other parts of one image differ
    model.explicit_views = False  # or each constant view would be changed by a pipeline
    x = job.arrays["x"]
    if isinstance(x, dict):
        constant: Any = {column: np.repeat(values[:1], len(values), axis=0) for column, values in x.items()}
    else:
        view = np.full_like(x[0] if isinstance(x, tuple | list) else x, 128)
        constant = (view,) * max(2, model.view_count)
    arrays = {**job.arrays, "x": constant}
    model.compile(keras.optimizers.SGD(0.0), jit_compile=job.jit_compile)
    logs = model.fit(arrays, batch_size=job.batch_size, verbose=0).history
    if not logs["embedding_std"][-1] < COLLAPSED_BELOW:
        _fail(name, "collapse", f"constant views give embedding_std={logs['embedding_std'][-1]}, not about 0")


def compare_recordings(name: str, check: str, got: Recording, reference: Recording, tolerance: float = 1e-5) -> None:
    """Losses of every step and weights at the end within `tolerance` of the larger of 1 and their size, gradients
    within ten times that of the largest; and what the steps added to each weight within a hundredth, so that a
    gradient of the wrong scale shows however small."""
    if got.losses.shape != reference.losses.shape:
        _fail(name, check, f"{got.losses.size} steps were taken instead of {reference.losses.size}")
    scale = np.maximum(1.0, np.abs(reference.losses))
    difference = (np.abs(got.losses - reference.losses) / scale).max()
    if not difference <= tolerance:
        _fail(name, check, f"losses differ by {difference:.1e}: {got.losses} instead of {reference.losses}")
    weights = zip(got.weights, reference.weights, reference.start, strict=True)
    for number, (mine, theirs, start) in enumerate(weights):
        size = max(1.0, float(np.abs(theirs).max(initial=0.0)))
        update = np.abs(theirs.astype("float64") - start).max(initial=0.0)
        difference = np.abs(mine.astype("float64") - theirs).max(initial=0.0)
        if not difference <= min(tolerance * size, max(0.01, tolerance) * update + 1e-6 * size):
            _fail(
                name,
                check,
                f"weight {number} of shape {theirs.shape} differs by {difference:.1e} after steps that changed it by "
                f"{update:.1e}",
            )
    # Ten times the tolerance: a sum over a batch, of terms that nearly cancel behind a batch norm.
    largest = 10.0 * max([1.0, *(float(np.abs(gradient).max(initial=0.0)) for gradient in reference.gradients)])
    for number, (mine, theirs) in enumerate(zip(got.gradients, reference.gradients, strict=True)):
        difference = np.abs(mine.astype("float64") - theirs).max(initial=0.0)
        if not difference <= tolerance * largest:
            _fail(
                name,
                check,
                f"gradient {number} of shape {theirs.shape} differs by {difference:.1e} of {largest / 10.0:.1e}",
            )
