"""The best learning rate and batch size of a run, from the size of its model and of its data."""

from typing import NamedTuple

from keras_ssl.schedules.power_law import PowerLaw
from keras_ssl.schedules.steps import check_rate

__all__ = ["StepLaw", "step_law"]

# Fitted by the paper to dense language models, with AdamW and a final rate of 1e-5.
LANGUAGE_RATE = PowerLaw(1.79, (-0.713, 0.307))
LANGUAGE_BATCH = PowerLaw(0.58, (0.571,))


class StepLaw(NamedTuple):
    """What `step_law` predicts.

    Attributes:
        learning_rate: the best peak learning rate.
        batch_tokens: the best batch size in tokens (or in whatever the data are counted in).
    """

    learning_rate: float
    batch_tokens: float


def step_law(
    parameters: float,
    tokens: float,
    rate_law: PowerLaw | None = None,
    batch_law: PowerLaw | None = None,
) -> StepLaw:
    """Predicts the best peak learning rate and batch size by power laws.

        learning_rate = 1.79 * parameters ** -0.713 * tokens ** 0.307
        batch_tokens  = 0.58 * tokens ** 0.571

    The rate falls with the model's size and grows with the data; the batch grows with the data, and does not depend on
    the model. Near the optimum the loss is flat, so a prediction of the right magnitude is enough.

    The constants hold for language models of 60 million parameters or more. For encoders, fit laws of your own: find
    the best rate by a grid on a few small models and data sizes, and give `fit_power_law` the table.

    Args:
        parameters: parameters of the model, without embeddings, positive.
        tokens: tokens of the whole run, positive.
        rate_law: law of parameters and tokens for the rate. Defaults to None: the paper's.
        batch_law: law of the tokens for the batch size. Defaults to None: the paper's.

    Returns:
        `(learning_rate, batch_tokens)`, a named tuple of floats, not rounded.

    Raises:
        ValueError: if a number is not positive and finite, or a law has another number of variables.

    Example:

    >>> rate, batch = step_law(parameters=1e9, tokens=1e11)
    >>> f"{rate:.2e}", f"{batch:.2e}"
    ('1.63e-03', '1.11e+06')
    >>> sizes = np.array([(1e6, 1e7), (4e6, 1e7), (1e6, 4e7)])  # of three tuned runs, with their best rates
    >>> law = keras_ssl.schedules.fit_power_law(sizes, [4e-3, 2e-3, 8e-3])
    >>> round(step_law(1.6e7, 1e7, rate_law=law).learning_rate, 6)
    0.001

    Reference: Li et al., "Predictable scale: part I, step law: optimal hyperparameter scaling law in large language
    model pretraining", 2025, https://arxiv.org/abs/2503.04715.
    """
    parameters, tokens = check_rate("parameters", parameters), check_rate("tokens", tokens)
    rate_law, batch_law = rate_law or LANGUAGE_RATE, batch_law or LANGUAGE_BATCH
    for name, law, variables in (("rate_law", rate_law, 2), ("batch_law", batch_law, 1)):
        if len(law.exponents) != variables:
            raise ValueError(f"`{name}` must have {variables} exponents. Received: {name}={law}")
    return StepLaw(float(rate_law(parameters, tokens)), float(batch_law(tokens)))
