"""Sharpness-aware gradients, as pure functions."""

from collections.abc import Callable, Sequence

import keras

from keras_ssl.optimizers.arguments import check_interval
from keras_ssl.optimizers.rules.ca_grad import ca_grad
from keras_ssl.optimizers.rules.mgda import mgda
from keras_ssl.optimizers.rules.pc_grad import pc_grad
from keras_ssl.typing import Tensor

__all__ = ["combining_rule", "multi_task_sam_gradients", "sam_gradients", "sam_perturbed"]

Gradient = Callable[[list[Tensor]], Sequence[Tensor | None]]
Rule = Callable[[Tensor], Tensor]

RULES: dict[str, Rule] = {
    "sum": lambda gradients: keras.ops.sum(gradients, axis=0),
    "mgda": mgda,
    "pc_grad": pc_grad,
    "ca_grad": ca_grad,
}


def combining_rule(rule: str | Rule) -> Rule:
    """A function of gradients `[T, P]` that gives one, `[P]`.

    Args:
        rule: "sum", "mgda", "pc_grad", "ca_grad", or such a function.

    Raises:
        ValueError: if it is none of them.

    Example:

    >>> keras.ops.convert_to_numpy(combining_rule("sum")(np.array([[1.0], [2.0]]))).tolist()
    [3.0]
    """
    if callable(rule):
        return rule
    if rule not in RULES:
        raise ValueError(f"`rule` must be a function or one of {tuple(RULES)}. Received: rule={rule}")
    return RULES[rule]


def sam_perturbed(values: Sequence[Tensor], gradients: Sequence[Tensor | None], rho: float = 0.05) -> list[Tensor]:
    """The weights at the point of the ball around them where the loss is highest, to first order.

    `w + rho * g / ||g||`, with the norm over all weights together; where the gradient is 0, the weights themselves.

    Args:
        values: the weights, a list of tensors.
        gradients: the gradient of the loss for each of them; None counts as 0.
        rho: radius of the ball, at least 0. Defaults to 0.05.

    Raises:
        ValueError: if `rho` is out of range.

    Example:

    >>> moved = sam_perturbed([keras.ops.zeros((2,))], [keras.ops.array([3.0, 4.0])], rho=0.5)
    >>> keras.ops.convert_to_numpy(moved[0]).astype("float64").round(4).tolist()
    [0.3, 0.4]

    Reference: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021.
    """
    ops = keras.ops
    rho = check_interval("rho", rho, "[0, inf)")
    values = [ops.convert_to_tensor(value) for value in values]
    dense = [None if g is None else ops.cast(ops.convert_to_tensor(g, sparse=False), "float32") for g in gradients]
    # By the largest entry first, so that the squares of a scaled loss do not overflow.
    entries = [ops.max(ops.absolute(g)) for g in dense if g is not None]
    if not entries:
        return values
    largest = ops.max(ops.stack(entries))
    zero = ops.equal(largest, 0.0)  # not so of NaN, which must stay
    unit = ops.where(zero, ops.ones_like(largest), largest)
    square = sum(ops.sum(ops.square(g / unit)) for g in dense if g is not None)
    scale = rho / (unit * ops.sqrt(ops.where(zero, ops.ones_like(square), square)))
    return [
        value if g is None else value + ops.cast(scale * g, value.dtype) for value, g in zip(values, dense, strict=True)
    ]


def sam_gradients(gradient: Gradient, values: Sequence[Tensor], rho: float = 0.05) -> list[Tensor | None]:
    """The gradient of sharpness-aware minimization: that of the loss at `w + rho * g / ||g||`, `g` the gradient at `w`.

    A pure function: nothing is assigned. The second derivative is left out, as in the paper. For a quadratic
    `0.5 w^T H w` it is `H (w + rho H w / ||H w||)`; with `rho = 0` it is the gradient.

    Args:
        gradient: a function of a list of weights that gives the list of their gradients.
        values: the weights.
        rho: radius, at least 0. Defaults to 0.05, the paper's for CIFAR.

    Returns:
        A gradient for each weight, or None where `gradient` gives None.

    Raises:
        ValueError: if `rho` is out of range.

    Example:

    >>> [g] = sam_gradients(lambda w: [2.0 * w[0]], [keras.ops.array([3.0, 4.0])], rho=0.5)
    >>> keras.ops.convert_to_numpy(g).astype("float64").round(4).tolist()  # 2 (w + 0.5 w / 5)
    [6.6, 8.8]

    Reference: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021.
    """
    values = [keras.ops.convert_to_tensor(value) for value in values]
    return list(gradient(sam_perturbed(values, gradient(values), rho)))


def multi_task_sam_gradients(
    gradients: Sequence[Gradient], values: Sequence[Tensor], rho: float = 0.05, rule: str | Rule = "mgda"
) -> list[Tensor | None]:
    """One gradient for several tasks: of each the flat minimum is sought by its own perturbation.

    For each task i, `g_i` is the gradient at the weights, `h_i = gradient_i(w + rho g_i / ||g_i||) - g_i` its part that
    flattens; the result is `rule(g_1, ..., g_T) + rule(h_1, ..., h_T)`. With `rho = 0` it is the rule itself. With one
    task it is `sam_gradients` under each rule that leaves a single gradient as it is ("ca_grad" makes it `1 + c` times
    as long).

    Args:
        gradients: for each task a function of the list of weights that gives the list of their gradients.
        values: the weights, all of which the tasks share.
        rho: radius, at least 0. Defaults to 0.05.
        rule: "sum", "mgda" (default), "pc_grad", "ca_grad", or a function of gradients `[T, P]` that gives `[P]`.

    Returns:
        A gradient for each weight, or None where all tasks give None.

    Raises:
        ValueError: if there is no task, `rho` is out of range, or the rule is not known.

    Example:

    >>> tasks = [lambda w: [w[0] - 1.0], lambda w: [w[0] + 1.0]]
    >>> [g] = multi_task_sam_gradients(tasks, [keras.ops.array([3.0])], rho=0.0)
    >>> keras.ops.convert_to_numpy(g).astype("float64").round(4).tolist()  # the shorter of 2 and 4
    [2.0]

    Reference: Phan et al., "Improving Multi-task Learning via Seeking Task-based Flat Regions", 2022,
    https://arxiv.org/abs/2211.13723. The authors' code scales the parts to unit length under MGDA, and the result by
    the number of tasks; here the rules get the gradients as they are.
    """
    ops = keras.ops
    combine = combining_rule(rule)
    rho = check_interval("rho", rho, "[0, inf)")
    if not gradients:
        raise ValueError(f"`gradients` must hold a function for each task. Received: gradients={gradients}")
    values = [ops.convert_to_tensor(value) for value in values]
    plain = [list(gradient(values)) for gradient in gradients]
    sharp = [
        list(gradient(sam_perturbed(values, own, rho))) if rho else own
        for gradient, own in zip(gradients, plain, strict=True)
    ]
    return combine_parts(plain, sharp, values, combine)


def combine_parts(
    plain: Sequence[Sequence[Tensor | None]],
    sharp: Sequence[Sequence[Tensor | None]],
    values: Sequence[Tensor],
    combine: Rule,
) -> list[Tensor | None]:
    """`combine(plain) + combine(sharp - plain)`, over all weights as one vector."""
    ops = keras.ops
    used = [place for place in range(len(values)) if any(own[place] is not None for own in plain)]
    if not used:
        return [None] * len(values)

    def flat(lists: Sequence[Sequence[Tensor | None]]) -> Tensor:
        rows = []
        for own in lists:
            parts = [ops.zeros_like(values[k]) if own[k] is None else own[k] for k in used]
            parts = [ops.cast(ops.convert_to_tensor(part, sparse=False), "float32") for part in parts]
            rows.append(ops.concatenate([ops.reshape(part, (-1,)) for part in parts]))
        return ops.stack(rows)

    first = flat(plain)
    joined = combine(first) + combine(flat(sharp) - first)
    result: list[Tensor | None] = [None] * len(values)
    start = 0
    for place in used:
        size = 1
        for length in values[place].shape:
            size *= int(length)
        part = ops.reshape(joined[start : start + size], values[place].shape)
        result[place] = ops.cast(part, values[place].dtype)
        start += size
    return result
