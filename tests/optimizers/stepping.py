"""Steps of an optimizer in a compiled function, and the numbers that the tests step with."""

import keras
import numpy as np

SHAPES = [(3, 3, 2, 4), (4,), (5, 3), ()]


def numbers(shapes=SHAPES, steps=50, seed=0):
    """Weights, and for each step a list of gradients that are no noise alone: moments differ from step to step."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=shape).astype("float32") for shape in shapes]
    drift = [rng.normal(size=shape) for shape in shapes]
    gradients = [[(d + rng.normal(size=d.shape)).astype("float32") for d in drift] for _ in range(steps)]
    return weights, gradients


def compiled_step(optimizer, variables):
    """A compiled function of gradients that takes one step of the optimizer."""
    optimizer.build(variables)
    if keras.backend.backend() == "jax":
        import jax

        program = jax.jit(optimizer.stateless_apply)

        def step(gradients):
            state, values = [v.value for v in optimizer.variables], [v.value for v in variables]
            values, state = program(state, [keras.ops.convert_to_tensor(g) for g in gradients], values)
            for variable, value in zip([*variables, *optimizer.variables], [*values, *state], strict=True):
                variable.assign(value)

        return step
    import tensorflow as tf

    program = tf.function(lambda gradients: optimizer.apply(gradients, variables))
    return lambda gradients: program([tf.convert_to_tensor(g) for g in gradients])


def applied(optimizer, weights, gradients, after=None):
    """The weights after one compiled step for each list of gradients; `after(step, values)` sees those between."""
    variables = [keras.Variable(w) for w in weights]
    step = compiled_step(optimizer, variables)
    for number, grads in enumerate(gradients):
        step(grads)
        if after:
            after(number, [keras.ops.convert_to_numpy(v) for v in variables])
    return [keras.ops.convert_to_numpy(v) for v in variables]


def assert_close(actual, expected, atol=2e-5):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-4, atol=atol)


def adam(m, v, g, count, beta_1, beta_2, epsilon):
    """One step of Adam in float64, in the form of Keras: the new moments, and the direction."""
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    return m, v, np.sqrt(1 - beta_2**count) / (1 - beta_1**count) * m / (np.sqrt(v) + epsilon)
