"""The training step's memory: of an objective by this library, and of a bare loop around the same forward passes.

On JAX it is read off the compiled step, and nothing runs; on TensorFlow a step runs, and the process' peak is the
answer. What the two sides share is the encoder, the ready-made views, the forward passes and the state: weights, their
velocities, the teacher, the queue.
"""

import resource
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ssl.hub.recipe import Recipe
from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.training import SSLModel, Step

RATE, MOMENTUM = 1e-3, 0.9
_LAMBDA, _TEMPERATURE, _TEACHER = 0.0051, 0.2, 0.999

Embeddings = dict[str, Any]


def model_of(recipe: str, overrides: list[str], size: int) -> SSLModel:
    """The objective of a recipe in float32, compiled with plain SGD."""
    read = Recipe.read(recipe)
    sized = [f"views.size={size}"] if "size" in read.sections.get("views", {}) else []
    model = read.override("training.precision=float32", *sized, *overrides).build_model()
    model.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM), jit_compile=keras.backend.backend() == "jax")
    return model


def shapes_of(model: SSLModel, size: int, batch_size: int) -> dict[str, Any]:
    """What a batch holds, as (shape, dtype): the views that the model would make, and the keys that it needs."""
    images = np.zeros((batch_size, size, size, 3), "uint8")
    if keras.backend.backend() == "jax":
        import jax

        views = jax.eval_shape(model.first_views, images)  # nothing is compiled
    else:
        views = model.first_views(images)
    batch: dict[str, Any] = {"x": tuple((tuple(view.shape), "float32") for view in views)}
    return batch | {key: ((batch_size,), "int32") for key in model.batch_fields}


# The bare loops: a loss of a batch, without the library's loss, state, logs and step ---------------------------------


def plain(model: SSLModel, batch: dict[str, Any]) -> tuple[Any, Embeddings]:
    """The objective's forward passes, and the plainest loss there is of what they give."""
    embeddings = model.embed(batch, Step.at(batch["x"][0].shape[0]))
    floating = [x for x in embeddings.values() if "float" in keras.backend.standardize_dtype(x.dtype)]
    return sum(keras.ops.mean(keras.ops.square(x)) for x in floating), embeddings


def barlow_twins(model: SSLModel, batch: dict[str, Any]) -> tuple[Any, Embeddings]:
    """Barlow Twins as one would write it down."""
    ops = keras.ops

    def embed(view: Any) -> Any:
        z = model.projector(model.encoder(model.preprocessing.normalize(view), training=True), training=True)
        return (z - ops.mean(z, axis=0)) / ops.std(z, axis=0)

    first, second = batch["x"]
    correlation = ops.matmul(ops.transpose(embed(first)), embed(second)) / first.shape[0]
    diagonal = ops.diagonal(correlation)
    others = ops.sum(ops.square(correlation)) - ops.sum(ops.square(diagonal))
    return ops.sum(ops.square(diagonal - 1.0)) + _LAMBDA * others, {}


def moco(model: SSLModel, batch: dict[str, Any]) -> tuple[Any, Embeddings]:
    """MoCo v2 as one would write it down; the queue is a matrix of unit rows."""
    query, key = _query_and_key(model, batch)
    positive = keras.ops.sum(query * key, axis=1, keepdims=True)
    return _info_nce(positive, keras.ops.matmul(query, keras.ops.transpose(model.queue.contents))), {"key": key}


def ressl(model: SSLModel, batch: dict[str, Any]) -> tuple[Any, Embeddings]:
    """ReSSL as one would write it down."""
    ops = keras.ops
    student, teacher = _query_and_key(model, batch)
    bank = ops.transpose(model.queue.contents)
    targets = ops.softmax(ops.matmul(teacher, bank) / model.teacher_temperature)
    predicted = ops.log_softmax(ops.matmul(student, bank) / model.temperature)
    return -ops.mean(ops.sum(targets * predicted, axis=1)), {"key": teacher}


def interclr(model: SSLModel, batch: dict[str, Any]) -> tuple[Any, Embeddings]:
    """InterCLR as one would write it down, with the nearest of other clusters for negatives; the rest of its work, on
    clusters and memory, is left out."""
    ops = keras.ops
    query, key = _query_and_key(model, batch)
    positive = ops.sum(query * key, axis=1, keepdims=True)
    intra = _info_nce(positive, ops.matmul(query, ops.transpose(model.queue.contents)))
    similarity = ops.matmul(query, ops.transpose(model.bank.contents))
    labels, index = model.clusters.labels, batch["index"]
    same = ops.equal(ops.take(labels, index)[:, None], labels[None, :])
    nearest = ops.top_k(ops.where(same, -2.0, ops.stop_gradient(similarity)), model.pool)[1][:, : model.negatives]
    own = ops.take_along_axis(similarity, index[:, None], axis=1)
    return intra + _info_nce(own, ops.take_along_axis(similarity, nearest, axis=1)), {"key": key}


def _query_and_key(model: SSLModel, batch: dict[str, Any]) -> tuple[Any, Any]:
    """The student's embedding of the first view and the teacher's of the second one, unit rows."""
    first, second = (model.preprocessing.normalize(view) for view in batch["x"])
    query = model.projector(model.encoder(first, training=True), training=True)
    return l2_normalize(query), l2_normalize(model.teacher(second, training=True))


def _info_nce(positive: Any, negative: Any) -> Any:
    logits = keras.ops.concatenate([positive, negative], axis=1) / _TEMPERATURE
    return keras.ops.mean(keras.ops.logsumexp(logits, axis=1) - logits[:, 0])


LOSSES = {"plain": plain, "barlow_twins": barlow_twins, "moco": moco, "ressl": ressl, "interclr": interclr}


def _follow(model: SSLModel, embeddings: Embeddings) -> None:
    """What comes after a step: the teacher follows the student, the newest keys replace the oldest."""
    teacher = getattr(model, "teacher", None)
    if teacher is not None and not model.fixed_teacher:
        for mine, theirs, averaged in zip(teacher.modules, model.student, teacher._averaged, strict=True):
            for old, new, follows in zip(mine.weights, theirs.weights, averaged, strict=True):
                if follows:
                    old.assign(_TEACHER * old + (1.0 - _TEACHER) * new)
    if "key" in embeddings:
        keys, queue = embeddings["key"], model.queue._contents
        queue.assign(keras.ops.concatenate([keys, queue[: -keys.shape[0]]], axis=0))


def _batch(model: SSLModel, data: dict[str, Any], step: Any) -> dict[str, Any]:
    count = data["x"][0].shape[0]
    return {**data, "seed": 0, "step": step, "position": keras.ops.arange(count, dtype="int32")}


# On JAX: what the compiled step needs --------------------------------------------------------------------------------


def compiled(recipe: str, overrides: list[str], loss: str, size: int, batch_size: int) -> tuple[Callable[[], Any], int]:
    """Bytes that both steps need, by XLA's account of the programs."""
    import jax

    model = model_of(recipe, overrides, size)
    data = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(*leaf),
        shapes_of(model, size, batch_size),
        is_leaf=lambda leaf: isinstance(leaf, tuple) and isinstance(leaf[-1], str),
    )
    groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)

    def values(*groups: list[Any]) -> tuple[list[Any], ...]:
        return tuple([jax.ShapeDtypeStruct(v.shape, v.dtype) for v in group] for group in groups)

    def bare(state: tuple[list[Any], ...], data: dict[str, Any]) -> tuple[Any, ...]:
        trainable, others, velocities = state

        def loss_of(trainable: list[Any]) -> tuple[Any, Any]:
            mapping = [*zip(groups[0], trainable, strict=True), *zip(groups[1], others, strict=True)]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                value, embeddings = LOSSES[loss](model, _batch(model, data, 0))
            return value, (embeddings, [scope.get_current_value(v) for v in groups[1]])

        (value, (embeddings, others)), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable)
        velocities = [MOMENTUM * v - RATE * g for v, g in zip(velocities, gradients, strict=True)]
        trainable = [w + v for w, v in zip(trainable, velocities, strict=True)]
        mapping = [*zip(groups[0], trainable, strict=True), *zip(groups[1], others, strict=True)]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            _follow(model, embeddings)
        return value, (trainable, [scope.get_current_value(v) for v in groups[1]], velocities)

    def run() -> dict[str, Any]:
        ours = jax.jit(model.train_step, donate_argnums=0).lower(values(*groups, model.metrics_variables), data)
        theirs = jax.jit(bare, donate_argnums=0).lower(values(groups[0], groups[1], groups[0]), data)
        return {"ours": account(ours.compile()), "bare": account(theirs.compile())}

    return run, 1


def account(program: Any) -> dict[str, int]:
    """Bytes of a compiled program: of what it is given and gives back (once, where it may overwrite), and of the rest.

    The sum is the most that it ever holds.
    """
    found = program.memory_analysis()
    state = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return {"state": state, "temporary": found.temp_size_in_bytes}


# On TensorFlow: what the process needs -------------------------------------------------------------------------------


def fit(recipe: str, overrides: list[str], loss: str, size: int, batch_size: int) -> tuple[Callable[[], Any], int]:
    """A step by `fit`."""
    before = peak()
    model, data = _with_data(recipe, overrides, size, batch_size)
    return lambda: [model.fit(data, verbose=0), {"before": before}][1], 1


def bare(recipe: str, overrides: list[str], loss: str, size: int, batch_size: int) -> tuple[Callable[[], Any], int]:
    """A step of the bare loop."""
    import tensorflow as tf

    before = peak()
    model, data = _with_data(recipe, overrides, size, batch_size)
    weights = model.trainable_variables
    velocities = [tf.Variable(tf.zeros_like(weight)) for weight in weights]

    @tf.function(autograph=False)
    def step(batch: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            value, embeddings = LOSSES[loss](model, _batch(model, batch, tf.zeros((), "int32")))
        for weight, velocity, gradient in zip(weights, velocities, tape.gradient(value, weights), strict=True):
            velocity.assign(MOMENTUM * velocity - RATE * gradient)
            weight.assign_add(velocity)
        _follow(model, embeddings)
        return value

    def run() -> dict[str, int]:
        for batch in data:
            float(step(batch))
        return {"before": before}

    return run, 1


def _with_data(recipe: str, overrides: list[str], size: int, batch_size: int) -> tuple[SSLModel, Any]:
    import tensorflow as tf

    model = model_of(recipe, overrides, size)
    draws = np.random.default_rng(0)

    def drawn(shape: tuple[int, ...], dtype: str) -> Any:
        return draws.random(shape, dtype) if dtype == "float32" else np.arange(*shape, dtype=dtype)

    shapes = shapes_of(model, size, batch_size)
    batch = {key: drawn(*leaf) for key, leaf in shapes.items() if key != "x"}
    batch["x"] = tuple(drawn(*leaf) for leaf in shapes["x"])
    return model, tf.data.Dataset.from_tensors(batch)


def peak() -> int:
    """The most bytes that this process has held so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
