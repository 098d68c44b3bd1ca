"""What of a training step, after the networks, computes in half precision."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_ssl.training import SSLModel, Step, engine
from keras_ssl.typing import Tensor

_HALF = ("float16", "bfloat16")


def half_operations(model: SSLModel, batch: Mapping[str, Any]) -> list[str]:
    """Names of the operations of `objective` and `after_step` that give float16 or bfloat16, as the backend has them.

    The step is traced, not run: nothing of the model changes, and loops and branches are looked into. Embeddings come
    to the objective in float32, so there is such an operation only where something casts down: a layer called there
    under a mixed policy, for one.

    Args:
        model: compiled.
        batch: a batch of arrays by key.

    Returns:
        The names, sorted, each once.
    """
    names: list[str] = []

    def embed(data: dict[str, Tensor]) -> dict[str, Tensor]:
        with keras.StatelessScope():
            batch, step = engine.prepare(model, data, training=True)
            embeddings = engine.embed(model, batch, step)
        names[:] = embeddings
        return embeddings

    def after(embeddings: dict[str, Tensor]) -> Any:
        embeddings = {name: embeddings[name] for name in names}  # tracing sorts them
        with keras.StatelessScope():
            count = next(iter(embeddings.values())).shape[0]
            step = Step.at(count, seed=model.seed)
            outcome = engine.reduce(model, embeddings, step)
            after = model.after_step(outcome.embeddings, keras.ops.ones((), "bool"), step)
            return outcome.loss, outcome.logs, after or {}

    data = keras.tree.map_structure(keras.ops.convert_to_tensor, dict(batch))  # `x` may be a tuple of views
    find = _in_jaxpr if keras.backend.backend() == "jax" else _in_graph
    return sorted(set(find(embed, after, data)))


def _in_graph(embed: Any, after: Any, data: dict[str, Tensor]) -> list[str]:
    import tensorflow as tf

    program = tf.function(embed, autograph=False).get_concrete_function(data)
    graph = tf.function(after, autograph=False).get_concrete_function(program.structured_outputs).graph.as_graph_def()
    half = {tf.dtypes.as_dtype(name).as_datatype_enum for name in _HALF}
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return [
        node.op
        for node in nodes
        if any(value.type in half or half & set(value.list.type) for value in node.attr.values())
    ]


def _in_jaxpr(embed: Any, after: Any, data: dict[str, Tensor]) -> list[str]:
    import jax

    found: list[str] = []

    def walk(jaxpr: Any) -> None:
        for equation in jaxpr.eqns:
            if any(str(out.aval.dtype) in _HALF for out in equation.outvars):
                found.append(str(equation.primitive))
            for part in jax.tree.leaves(list(equation.params.values()), is_leaf=_has_equations):
                if _has_equations(part):
                    walk(getattr(part, "jaxpr", part))

    walk(jax.make_jaxpr(after)(jax.eval_shape(embed, data)).jaxpr)
    return found


def _has_equations(part: Any) -> bool:
    return hasattr(getattr(part, "jaxpr", part), "eqns")
