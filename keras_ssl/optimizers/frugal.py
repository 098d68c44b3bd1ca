"""Adam for a part of each gradient, its sign for the rest."""

from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.optimizers.arguments import check_interval, check_optimizer_arguments
from keras_ssl.optimizers.matrix_form import from_matrix, matrix_shape, to_matrix
from keras_ssl.random import Stream
from keras_ssl.typing import Tensor

__all__ = ["FRUGAL"]

PARTS = ("columns", "coordinates", "blocks", "random", "svd")
STATE_FULL = ("adam", "momentum")
STATE_FREE = ("signsgd", "sgd", "none")


@keras.saving.register_keras_serializable(package="keras_ssl")
class FRUGAL(keras.optimizers.Optimizer):
    """Splits each gradient: a small part takes steps with state, the rest steps without, so updates have full rank.

        g_full = P g;  g_free = g - P^T g_full
        w = w - learning_rate * (weight_decay * w + P^T Adam(g_full) + free_scale * sign(g_free))

    `P` picks or projects on a share `density` of each variable. It is drawn anew, and the moments begin with 0, every
    `update_gap` steps; Adam's correction of the bias then counts from there. The parts are orthogonal:
    `P^T P g + g_free = g`. `part` says what `P` is, for a matrix `[n, m]`, `n >= m` (wide ones are transposed; of a
    kernel of higher rank all axes but the last are joined; a vector is one row):

    - "columns": `round(density * m)` columns at random;
    - "coordinates": `round(density * size)` entries at random;
    - "blocks": a run of as many entries, which moves on at each refresh and comes around: BAdam's blocks within
      each variable, where BAdam takes whole layers in turn;
    - "random": a random subspace, `g P` with an orthonormal `P [m, r]`;
    - "svd": the subspace of the r largest right singular vectors of the gradient at the refresh, as in GaLore.

    With density 1 every step is one of `keras.optimizers.Adam` (no refresh: there is nothing to choose), with density 0
    one of signSGD or SGD. Vectors are split like matrices ("random" and "svd" split them as "columns" does).

    Memory of the moments in float32: `8 * density` bytes for each weight (`4 * density` for `state_full="momentum"`),
    where Adam takes 8. Beside it stand the chosen places: "columns" 4 bytes for each column, "coordinates"
    `4 * density` for each weight, "blocks" none, "random" and "svd" the matrix P.

    Args:
        learning_rate: float of at least 0, schedule or callable. Defaults to 0.001.
        density: share of each variable with state, in [0, 1]. Defaults to 0.25.
        part: "columns" (default), "coordinates", "blocks", "random" or "svd".
        update_gap: steps between refreshes, a positive integer. Defaults to 200.
        state_full: "adam" (default), or "momentum": `m = beta_1 m + g_full`, a step of `m`.
        state_free: "signsgd" (default), "sgd", a step of `g_free`, or "none".
        free_scale: factor of the steps without state, at least 0. Defaults to 1.
        beta_1, beta_2: decays of the moments, in [0, 1). Default to 0.9 and 0.999.
        epsilon: added to the root of the second moment, positive. Defaults to 1e-8.
        weight_decay: decoupled, at least 0, or None. Defaults to None.
        seed: of the choices, an integer in [0, 2**32). Defaults to 0.
        name: name of the optimizer. Defaults to "frugal".
        **kwargs: as for `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> optimizer = FRUGAL(density=0.25)
    >>> optimizer.build([keras.Variable(np.zeros((64, 32)))])
    >>> [tuple(variable.shape) for variable in optimizer.moments[0]]
    [(64, 8), (64, 8)]

    Reference: Zmushko et al., "FRUGAL: Memory-Efficient Optimization by Reducing State Overhead for Scalable Training",
    ICML 2025, https://arxiv.org/abs/2411.07837. The authors' code gives embeddings, norms and the output layer Adam in
    full; here the split takes all variables alike.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        density: float = 0.25,
        part: str = "columns",
        update_gap: int = 200,
        state_full: str = "adam",
        state_free: str = "signsgd",
        free_scale: float = 1.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float | None = None,
        seed: int = 0,
        name: str = "frugal",
        **kwargs: Any,
    ) -> None:
        learning_rate = check_optimizer_arguments(learning_rate, {**kwargs, "weight_decay": weight_decay})
        for argument, value, allowed in (
            ("part", part, PARTS),
            ("state_full", state_full, STATE_FULL),
            ("state_free", state_free, STATE_FREE),
        ):
            if value not in allowed:
                raise ValueError(f"`{argument}` must be one of {allowed}. Received: {argument}={value}")
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.density = check_interval("density", density, "[0, 1]")
        self.part, self.state_full, self.state_free = part, state_full, state_free
        self.update_gap = check_integer("update_gap", update_gap, 1)
        self.free_scale = check_interval("free_scale", free_scale, "[0, inf)")
        self.beta_1 = check_interval("beta_1", beta_1, "[0, 1)")
        self.beta_2 = check_interval("beta_2", beta_2, "[0, 1)")
        self.epsilon = check_interval("epsilon", epsilon, "(0, inf)")
        self.seed = check_integer("seed", seed, 0, 2**32 - 1)

    def build(self, variables: list[Any]) -> None:
        """Creates the moments of each variable's part, and what says which part that is."""
        if self.built:
            return
        super().build(variables)
        self.moments: list[list[Any]] = []
        self.places: list[Any] = []
        for number, variable in enumerate(variables):
            rows, width = matrix_shape(variable.shape)
            kind, chosen = self._kind(variable.shape), None
            if kind in ("coordinates", "blocks"):
                count = round(self.density * rows * width)
                shape: tuple[int, ...] = (count,)
                if kind == "coordinates":
                    chosen = self.add_variable((count,), dtype="int32", name=f"places_{number}")
            else:
                count = round(self.density * width)
                shape = (rows, count)
                if kind == "columns":
                    chosen = self.add_variable((count,), dtype="int32", name=f"places_{number}")
                elif kind in ("random", "svd"):
                    chosen = self.add_variable((width, count), name=f"subspace_{number}")
            if count == 0:
                shape, kind = (0,), "none"
            kinds = ("m", "v") if self.state_full == "adam" else ("m",)
            self.moments.append([self.add_variable(shape, name=f"{k}_{number}") for k in kinds] if count else [])
            self.places.append(chosen if count else None)

    def _kind(self, shape: Any) -> str:
        """How a variable of this shape is split."""
        rows, width = matrix_shape(shape)
        if self.density == 1.0:
            return "all"
        if self.part in ("random", "svd") and len(shape) < 2:
            return "columns"
        if self.part in ("random", "svd", "columns") and round(self.density * width) == width:
            return "all"
        return self.part

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Moves one variable; all it looks at is this variable, its gradient and its state."""
        ops = keras.ops
        number = self._get_variable_index(variable)
        gradient = ops.cast(ops.convert_to_tensor(gradient, sparse=False), "float32")
        matrix = to_matrix(gradient, variable.shape)
        if not self.moments[number]:
            step = self._free_step(matrix)
        elif self._kind(variable.shape) == "all":
            step = self._full_step(matrix, number, None)
        else:
            step = self._split_step(matrix, number, self._kind(variable.shape))
        step = ops.cast(learning_rate, "float32") * from_matrix(step, variable.shape)
        self.assign_sub(variable, ops.cast(step, variable.dtype))

    def _split_step(self, matrix: Tensor, number: int, kind: str) -> Tensor:
        ops = keras.ops
        since = ops.mod(ops.cast(self.iterations, "int32"), self.update_gap)
        round_number = ops.floor_divide(ops.cast(self.iterations, "int32"), self.update_gap)
        anew = ops.equal(since, 0)
        rows, width = (int(size) for size in matrix.shape)
        if kind in ("random", "svd"):
            before = ops.convert_to_tensor(self.places[number])
            subspace = ops.cond(anew, lambda: self._subspace(matrix, number, round_number, kind), lambda: before)
            self.assign(self.places[number], subspace)
            part = ops.matmul(matrix, subspace)
            free = matrix - ops.matmul(part, ops.transpose(subspace))
            return ops.matmul(self._full_step(part, number, since), ops.transpose(subspace)) + self._free_step(free)
        if kind == "columns":
            places = self._drawn(number, width, anew, round_number)
            part = ops.take(matrix, places, axis=1)
            full = self._scattered(self._full_step(part, number, since), places, width)
            rest = 1.0 - self._scattered(ops.ones((1, part.shape[1])), places, width)
            return full + self._free_step(matrix * rest)
        size, flat = rows * width, ops.reshape(matrix, (1, -1))
        if kind == "blocks":
            count = int(self.moments[number][0].shape[0])
            # In two steps, as the product of the round and the count may leave int32.
            blocks = -(-size // count)
            places = ops.mod(ops.mod(round_number, blocks) * count + ops.arange(count, dtype="int32"), size)
        else:
            places = self._drawn(number, size, anew, round_number)
        part = ops.take(flat, places, axis=1)
        full = self._scattered(self._full_step(part[0], number, since)[None], places, size)
        rest = 1.0 - self._scattered(ops.ones_like(part), places, size)
        return ops.reshape(full + self._free_step(flat * rest), matrix.shape)

    def _drawn(self, number: int, size: int, anew: Tensor, round_number: Tensor) -> Tensor:
        """The places of this round, in ascending order; kept in the state from refresh to refresh."""
        ops = keras.ops
        before = ops.convert_to_tensor(self.places[number])

        def draw() -> Tensor:
            order = ops.argsort(Stream(self.seed, round_number, np.array([number])).uniform(shape=(size,))[0])
            return ops.cast(ops.sort(order[: int(before.shape[0])]), "int32")

        places = ops.cond(anew, draw, lambda: before)
        self.assign(self.places[number], places)
        return places

    def _subspace(self, matrix: Tensor, number: int, round_number: Tensor, kind: str) -> Tensor:
        """An orthonormal `[m, r]`."""
        ops = keras.ops
        width, count = (int(size) for size in self.places[number].shape)
        if kind == "svd":
            # Of G^T G, which is small and symmetric, the eigenvectors are the right singular vectors of G.
            _, vectors = ops.eigh(ops.matmul(ops.transpose(matrix), matrix))
            return vectors[:, -count:]
        stream = Stream(self.seed, round_number, np.array([number]))
        pairs = stream.uniform(1e-7, 1.0, shape=(width, 2 * count))[0]
        # Normal numbers by Box and Muller: their span is uniform over all subspaces.
        normal = ops.sqrt(-2.0 * ops.log(pairs[:, :count])) * ops.cos(6.2831853 * pairs[:, count:])
        return ops.qr(normal)[0]

    @staticmethod
    def _scattered(part: Tensor, places: Tensor, width: int) -> Tensor:
        """`[n, r]` put into the columns `places` of zeros `[n, width]`."""
        ops = keras.ops
        columns = ops.scatter(places[:, None], ops.transpose(part), (width, int(part.shape[0])))
        return ops.transpose(columns)

    def _full_step(self, part: Tensor, number: int, since: Tensor | None) -> Tensor:
        """The step with state; `since` counts the steps since the refresh, None without any."""
        ops = keras.ops
        count = ops.cast(self.iterations if since is None else since, "float32") + 1.0
        kept = 1.0 if since is None else ops.cast(ops.greater(since, 0), "float32")
        first = self.moments[number][0]
        if self.state_full == "momentum":
            moved = self.beta_1 * kept * first + part
            self.assign(first, moved)
            return moved
        second = self.moments[number][1]
        new_first = self.beta_1 * kept * first + (1.0 - self.beta_1) * part
        new_second = self.beta_2 * kept * second + (1.0 - self.beta_2) * ops.square(part)
        self.assign(first, new_first)
        self.assign(second, new_second)
        correction = ops.sqrt(1.0 - ops.power(self.beta_2, count)) / (1.0 - ops.power(self.beta_1, count))
        return correction * new_first / (ops.sqrt(new_second) + self.epsilon)

    def _free_step(self, free: Tensor) -> Tensor:
        if self.state_free == "none":
            return keras.ops.zeros_like(free)
        return self.free_scale * (keras.ops.sign(free) if self.state_free == "signsgd" else free)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        names = ("density", "part", "update_gap", "state_full", "state_free", "free_scale")
        config.update({name: getattr(self, name) for name in (*names, "beta_1", "beta_2", "epsilon", "seed")})
        return config
