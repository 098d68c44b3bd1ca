"""Means of a step's scalars over an epoch."""

from typing import Any

import keras

from keras_ssl.typing import Logs, Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class ScalarMeans(keras.metrics.Metric):
    """The running mean of every scalar that an objective logs, under the name the objective gives it.

    What an objective logs is known only once it runs, inside the compiled step, where no variable can be made. So one
    vector is made beforehand with room for all of them, and the names are noted when the step is traced.

    Args:
        capacity: how many scalars there is room for. Defaults to 64.
    """

    def __init__(self, capacity: int = 64, name: str = "scalars", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.capacity = capacity
        self.names: list[str] = []
        self.totals = self._variable("totals", (capacity,))
        self.weight = self._variable("weight")
        # Kept apart from the weight: it numbers the steps of an evaluation, whose views depend on the number.
        self.steps = self._variable("steps")

    def update_state(self, scalars: Logs, weight: Tensor | float = 1.0) -> None:
        """Adds one step's scalars, weighted by the number of samples they are means over.

        Raises:
            ValueError: if there are more scalars than `capacity`.
        """
        ops = keras.ops
        if len(scalars) > self.capacity:
            raise ValueError(f"An objective logs at most {self.capacity} scalars. Received: {len(scalars)} scalars")
        self.names = list(scalars)
        weight = ops.cast(weight, self.dtype)
        values = ops.stack([ops.cast(value, self.dtype) for value in scalars.values()])
        self.totals.assign_add(ops.pad(values * weight, (0, self.capacity - len(scalars))))
        self.weight.assign_add(weight)
        self.steps.assign_add(ops.ones_like(weight))

    def result(self) -> Logs:
        means = self.totals / keras.ops.maximum(self.weight, 1e-12)
        return {name: means[place] for place, name in enumerate(self.names)}

    def _variable(self, name: str, shape: tuple[int, ...] = ()) -> Any:
        # Every replica adds the scalars of the global batch, so one of them has the value; Keras' default would read
        # their sum, which a run that goes on with fewer replicas would take for its own.
        return self.add_variable(shape, "zeros", aggregation="only_first_replica", name=name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "capacity": self.capacity}
