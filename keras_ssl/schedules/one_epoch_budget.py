"""How large a model to train, and on how much data, when no sample is to be seen twice."""

import math
from dataclasses import dataclass

from keras_ssl.losses.numeric import check_integer
from keras_ssl.schedules.steps import check_rate

__all__ = ["OneEpochBudget"]


@dataclass(frozen=True)
class OneEpochBudget:
    """Plans a run of a single epoch: from its compute follow the number of parameters and of tokens.

        parameters * tokens = compute,  tokens / parameters = ratio
        parameters = sqrt(compute / ratio),  tokens = sqrt(compute * ratio)

    A token is what the model processes as one position: a word piece of a text, a patch of an image. Enlarge the data
    until one epoch lasts for the whole run, leave out regularization (dropout, weight decay), because a model that
    sees each sample once does not overfit, and split the compute by this ratio. `UniquePassCheck` makes sure that no
    sample comes twice; `fit_power_law` says how the loss will go on.

    Both numbers are floats, not rounded: their product is the compute, and both grow with it.

    Args:
        compute: product of parameters and tokens, positive. Training takes about 6 floating-point operations for each,
            so divide a number of operations by 6.
        ratio: tokens per parameter, positive. Defaults to 5.0, what the paper found near the optimum for its language
            models (others differ: about 20 was found later for larger ones).

    Raises:
        ValueError: if an argument is not positive and finite.

    Example:

    >>> budget = OneEpochBudget(compute=5e12)
    >>> round(budget.parameters), round(budget.tokens), budget.steps(batch_tokens=50_000)
    (1000000, 5000000, 100)

    Reference: Komatsuzaki, "One epoch is all you need", 2019, https://arxiv.org/abs/1906.06669.
    """

    compute: float
    ratio: float = 5.0

    def __post_init__(self) -> None:
        check_rate("compute", self.compute)
        check_rate("ratio", self.ratio)

    @property
    def parameters(self) -> float:
        """Parameters of the model."""
        return math.sqrt(self.compute) / math.sqrt(self.ratio)

    @property
    def tokens(self) -> float:
        """Tokens to train on, each once."""
        return math.sqrt(self.compute) * math.sqrt(self.ratio)

    def steps(self, batch_tokens: int) -> int:
        """Steps of the run, rounded up: every token is used.

        Args:
            batch_tokens: tokens in a batch, a positive integer.

        Raises:
            ValueError: if it is not.
        """
        # A rounding error must not add a step.
        return math.ceil(self.tokens / check_integer("batch_tokens", batch_tokens, 1) * (1.0 - 1e-12))

    def epochs(self, available_tokens: float) -> float:
        """How often the run would pass over data of a size: at most 1 where the data suffice.

        Args:
            available_tokens: tokens in the data, positive.

        Raises:
            ValueError: if it is not positive and finite.
        """
        return self.tokens / check_rate("available_tokens", available_tokens)
