"""A shared model, what each expert has beyond it in few numbers, and a router that adds it by input."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.check_numbers import check_numbers
from keras_ssl.losses.numeric import check_integer
from keras_ssl.merging.task_arithmetic import sets_of, start_and_experts
from keras_ssl.precision import known_array
from keras_ssl.training import functional
from keras_ssl.weights.arrays import check_built, check_samples, is_float
from keras_ssl.weights.combine_weights import combine_weights
from keras_ssl.weights.named_weights import named_weights

__all__ = ["TwinMerging"]

Weights = Mapping[str, np.ndarray]
Router = Callable[[np.ndarray], np.ndarray]


class TwinMerging:
    """Splits experts into a shared model and exclusive parts of low rank, and merges them anew for each input.

    With `v_t = theta_t - theta_shared`, its matrices replaced by their best approximation of rank `r`,

        theta(x) = theta_shared + sum_t w_t(x) SVD_r(v_t),

    where a router gives the weights `w(x)`. A kernel of more than two axes is the matrix whose columns are its last
    axis; weights of one axis are kept whole. Weights that are no floats are those of the shared model.

    Args:
        model: a built model of the experts' structure, whose weights are the shared ones unless `shared` is given.
            It gives outputs `[N, ...]`. It is not changed.
        experts: fine-tuned models, or their weights by name.
        shared: weights by name, or a model: a merge of all experts, such as `task_arithmetic` gives. Defaults to None:
            the mean of the experts. (The paper's merge is task arithmetic from the pretrained model.)
        rank: None for full rank, or the rank `r` of each matrix, at least 1. Defaults to None.

    Attributes:
        shared: weights by name.
        exclusive: of each expert, weights by name, after the approximation.

    Raises:
        ValueError: if names or shapes differ, there is no expert, or `rank` is out of its range.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    >>> twin = TwinMerging(model, [{"dense_0/kernel": np.array([[value]])} for value in (1.0, 3.0)])
    >>> twin.weights_for([0.0, 0.0])["dense_0/kernel"].tolist(), twin.weights_for([0.0, 1.0])["dense_0/kernel"].tolist()
    ([[2.0]], [[3.0]])
    >>> twin.predict(np.ones((2, 1)), [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [[1.0], [3.0]]

    Reference: Lu et al., "Twin-Merging: Dynamic integration of modular expertise in model merging", NeurIPS 2024,
    https://arxiv.org/abs/2406.15479.
    """

    def __init__(
        self,
        model: keras.Model,
        experts: Sequence[keras.Model | Weights],
        shared: keras.Model | Weights | None = None,
        rank: int | None = None,
    ) -> None:
        self.rank = None if rank is None else check_integer("rank", rank, 1)
        check_built("model", model)
        own, *sets = start_and_experts("model", model, experts)
        self.model = model
        if shared is None:
            self.shared = combine_weights(sets)
        else:
            self.shared = dict(sets_of("shared", [own, shared])[1])
        self.exclusive = [
            {
                name: _approximated(array.astype("float64") - self.shared[name], self.rank)
                for name, array in weights.items()
                if is_float(array)
            }
            for weights in sets
        ]
        self._router: Router | None = None

    def weights_for(self, router_weights: Any) -> dict[str, np.ndarray]:
        """The merged weights for one row of router weights `[T]`, by name."""
        shares = check_numbers("router_weights", router_weights).astype("float64")
        if shares.shape != (len(self.exclusive),) or not np.isfinite(shares).all():
            raise ValueError(
                f"`router_weights` must hold a finite number for each of {len(self.exclusive)} experts. "
                f"Received: {router_weights!r}"
            )
        merged = {}
        for name, array in self.shared.items():
            if not is_float(array):
                merged[name] = array.copy()
                continue
            total = array.astype("float64")
            for share, part in zip(shares, self.exclusive, strict=True):
                total = total + share * part[name]
            if name.endswith("moving_variance"):
                total = np.maximum(total, 0.0)
            merged[name] = total.astype(array.dtype)
        return merged

    def fit_router(
        self, x: Any, tasks: Any, hard: bool = False, features: Callable[[np.ndarray], Any] | None = None
    ) -> None:
        """Trains the router: a logistic regression that tells the tasks apart.

        Its probabilities are the weights `w(x)`. (The paper's router is a small network on such outputs.)

        Args:
            x: inputs of all tasks, `[N, ...]`.
            tasks: number of the expert for each, `[N]`; each expert must occur.
            hard: whether the most probable expert gets weight 1, the others 0. Defaults to False.
            features: a function from inputs to what the router looks at, `[N, ...]`, such as an encoder's features.
                Defaults to None: the outputs of the shared model.

        Raises:
            ValueError: if an expert does not occur, or `tasks` is not `[N]`.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        x, tasks = check_samples("x", self.model, x), check_numbers("tasks", tasks)
        if features is not None and not callable(features):
            raise ValueError(f"`features` must be None or a function. Received: features={features!r}")
        if tasks.shape != x.shape[:1] or set(np.unique(tasks).tolist()) != set(range(len(self.exclusive))):
            raise ValueError(
                f"`tasks` must hold each of the numbers 0 to {len(self.exclusive) - 1}, one for each input. "
                f"Received: tasks of shape {tasks.shape} with {np.unique(tasks)[:10].tolist()}, x of shape {x.shape}"
            )
        if len(self.exclusive) == 1:
            self._router = lambda x: np.ones((len(x), 1))
            return
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))

        def seen(x: np.ndarray) -> np.ndarray:
            source = "x" if features is None else "features"
            found = known_array(self._outputs(self.shared, x) if features is None else features(x))
            if found.shape[:1] != x.shape[:1] or not np.isfinite(found).all():
                raise ValueError(
                    f"`{source}` must give finite numbers for each of {len(x)} inputs. Received: shape {found.shape}"
                )
            return found.reshape(len(found), int(np.prod(found.shape[1:])))

        classifier.fit(seen(x), tasks)

        def router(x: np.ndarray) -> np.ndarray:
            if not len(x):
                return np.zeros((0, len(self.exclusive)))
            shares = classifier.predict_proba(seen(x))
            return np.eye(shares.shape[1])[shares.argmax(axis=1)] if hard else shares

        self._router = router

    def route(self, x: Any) -> np.ndarray:
        """The weights `[N, T]` of the router for inputs."""
        if self._router is None:
            raise ValueError("The router must be trained by `fit_router`, or its weights given. Received: none")
        return self._router(check_samples("x", self.model, x))

    def predict(self, x: Any, router_weights: Any = None) -> np.ndarray:
        """Outputs for inputs, each by its own merged weights.

        Inputs with the same router weights share a pass: a hard router makes at most T, a soft one up to N.

        Args:
            x: inputs `[N, ...]`.
            router_weights: `[N, T]`. Defaults to None: those of the router that `fit_router` has trained.
        """
        x = check_samples("x", self.model, x)
        if router_weights is None:
            shares = self.route(x)
        else:
            shares = check_numbers("router_weights", router_weights).astype("float64")
        if shares.shape != (len(x), len(self.exclusive)):
            raise ValueError(
                f"`router_weights` must be [N, T], here ({len(x)}, {len(self.exclusive)}). "
                f"Received: shape {shares.shape}"
            )
        if not len(x):
            return self._outputs(self.shared, x)
        rows, places = np.unique(shares, axis=0, return_inverse=True)
        outputs: list[Any] = [None] * len(x)
        for number, row in enumerate(rows):
            here = np.flatnonzero(places.reshape(-1) == number)
            for place, value in zip(here, self._outputs(self.weights_for(row), x[here]), strict=True):
                outputs[place] = value
        return np.stack(outputs)

    def _outputs(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        variables = named_weights(self.model)
        values = [keras.ops.convert_to_tensor(weights[name], variable.dtype) for name, variable in variables.items()]
        inputs = keras.ops.convert_to_tensor(x)
        outputs = functional.apply(self.model, list(variables.values()), values, inputs, training=False)
        return np.asarray(keras.ops.convert_to_numpy(outputs))


def _approximated(difference: np.ndarray, rank: int | None) -> np.ndarray:
    """The best approximation of rank `rank`, by the Frobenius norm, of a weight as a matrix."""
    if rank is None or difference.ndim < 2:
        return difference
    matrix = difference.reshape(-1, difference.shape[-1])
    if rank >= min(matrix.shape):
        return difference
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    return ((u[:, :rank] * s[:rank]) @ v[:rank]).reshape(difference.shape)
