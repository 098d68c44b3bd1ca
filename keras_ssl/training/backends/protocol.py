"""What a training step needs of a backend."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from keras_ssl.typing import Logs, Tensor

Scaled = tuple[Tensor, Any]
"""A scalar to differentiate, and anything else that was computed on the way (a tree of tensors)."""


class Backend(Protocol):
    """The part of a training step that each backend does in its own way.

    `keras_ssl.training.engine` holds the sequence of a step, written once; an object of this kind does what differs:
    gradients, state, replicas. It has no state of its own: all models of a process share one.
    """

    def train_step(self, model: Any, *arguments: Any) -> Any:
        """What Keras calls, in the form in which it does on this backend; runs `engine.train_step`."""

    def test_step(self, model: Any, *arguments: Any) -> Any:
        """As `train_step`, for an evaluation."""

    def replicas(self) -> int:
        """Number of replicas that each hold a part of the batch; 1 where arrays are global, and outside of a step."""

    def positions(self, count: Tensor) -> Tensor:
        """Each local sample's position in the global batch, int32 `[count]`."""

    def gather(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The rows of all replicas, `[N, ...]` of `[n, ...]`; the gradient flows back to the replica of each row."""

    def sum_over_replicas(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The sums over replicas of equally shaped tensors; for what needs no gradient."""

    def value_and_gradients(
        self,
        model: Any,
        function: Callable[[], Scaled],
        variables: Sequence[Any],
        at: Sequence[Tensor] | None = None,
    ) -> tuple[Scaled, list[Tensor | None]]:
        """`function()` and the gradients of its scalar for `variables`, of this replica's part.

        With `at` the function sees these values in the place of the variables', and changes no state; without, the
        state that it assigns (moving statistics) is kept.
        """

    def gradients_of_terms(
        self, model: Any, function: Callable[[], tuple[dict[str, Tensor], Any]], variables: Sequence[Any]
    ) -> tuple[tuple[dict[str, Tensor], Any], dict[str, list[Tensor | None]]]:
        """As `value_and_gradients` for several scalars by name, from one forward pass: a list of gradients for each."""

    def sum_gradients(self, optimizer: Any, gradients: list[Tensor | None]) -> list[Tensor | None]:
        """The sums over replicas, before the optimizer sees them; the optimizer's own summation is switched off."""

    def apply(self, optimizer: Any, gradients: list[Tensor | None], variables: Sequence[Any]) -> None:
        """One update of the variables by their gradients; under loss scaling none, where a gradient is infinite."""

    def call_views(self, model: Any, images: Tensor, step: Any) -> list[Tensor]:
        """The model's views of images, by the fastest way that the backend has in this step."""

    def reducible(self, logs: Logs) -> Logs:
        """Logs in the form in which Keras can average them over replicas."""

    def program(self, model: Any, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A compiled function of a batch that changes nothing of the model."""

    def stateful_program(self, variables: Sequence[Any], function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A compiled function of a batch that may assign these variables, and no others."""

    def build_optimizer(self, model: Any) -> None:
        """Creates the optimizer's variables before the first step is traced."""

    def step_data(self, model: Any, data: Any) -> Any:
        """What Keras' `fit` is to read of a data set."""

    def with_inputs(self, model: Any, data: Any) -> Any:
        """A batch with its inputs, where `step_data` left them on the device."""

    def before_epochs(self, model: Any, iterator: Any, data_batch: Any, build: Callable[..., None]) -> None:
        """Called with Keras' iterator before its first batch; `build` is Keras' own symbolic build."""
