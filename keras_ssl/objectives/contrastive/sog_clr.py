"""SogCLR and iSogCLR: contrastive learning with a memory for each sample."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.layers.sample_table import SampleTable
from keras_ssl.losses.chance import log_mean_exp, widest_gap
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.losses.sog_clr_loss import SogCLRTerms, check_gamma, sog_clr_terms
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor

_LOG_MEAN, _SEEN, _TEMPERATURE, _VELOCITY = range(4)  # columns of the table
_STEEPEST = 3.0  # the authors' code clips the temperatures' gradient to this


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2202.12387")
class SogCLR(SimCLR):
    """SogCLR: SimCLR whose normalizer is not the batch's but a moving average that each sample keeps.

    For each of the 2N anchors, `E_j` the mean over the 2N - 2 views of other images in the global batch and `u_i` what
    the table remembers of the sample (at its first visit, the batch's own mean):

        u_i' = (1 - gamma) u_i + gamma E_j exp(z_i.z_j / T),    loss = mean_i( T log u_i' - z_i.z_p(i) )

    with the gradient of `mean_i( E_j[ exp(z_i.z_j / T) / u_i' z_i.z_j ] - z_i.z_p(i) )`, the fraction held constant.
    So small batches train as large ones do. With `gamma=1` it is T times `DCL`, but for a constant. Needs the samples'
    numbers, `index`, which `fit` gives to arrays by itself. The mean runs over both views' anchors (the authors' code
    adds the two: twice this value), and both views' averages are averaged into the table, as in the code of iSogCLR.
    In evaluation the batch's own mean is taken: held-out samples have no row. Under gradient accumulation, the table
    changes with the optimizer: of the micro-batches, it remembers the last. Logged: `loss` (0 for equal embeddings, no
    lower bound), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        dataset_size: number of samples in the data set: every `index` is below it.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T > 0. Defaults to `0.1`.
        gamma: weight of the batch in the moving average, in (0, 1]. Defaults to `0.9`.
        **kwargs: `batch_norm`, as for `SimCLR`; `views`, `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive, `gamma` not in (0, 1], or `dataset_size` not a positive
            integer; from `fit` with arrays, if a sample's number is not below `dataset_size` (with a data set of
            batches, such a sample makes the loss NaN).

    Example:

    ```python
    model = keras_ssl.SogCLR(keras_ssl.encoders.ConvNet(), dataset_size=len(images), projector=(256, 64))
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Yuan et al., "Provable Stochastic Optimization for Global Contrastive Learning: Small Batch Does Not Harm
        Performance", ICML 2022.
    """

    fields: ClassVar[dict[str, Field]] = {"index": Field("int32")}
    stored_as: ClassVar[dict[str, str]] = {"dataset_size": "table.size"}

    def __init__(
        self,
        encoder: keras.Model,
        dataset_size: int,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        gamma: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, **kwargs)
        dataset_size = check_integer("dataset_size", dataset_size, 1)
        self.gamma = check_gamma(gamma)
        self.table = SampleTable(dataset_size, self.first_row(), name="table")

    def first_row(self) -> tuple[float, ...]:
        """What the table holds of a sample before its first visit: logarithm of the moving average, visited or not."""
        return (0.0, 0.0)

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        super().check_samples(fields, whole, batch_size)
        self.table.check_index(fields["index"], "dataset_size")

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        embeddings = super().embed(batch, step)
        if not step.training:
            del embeddings["index"]
        return embeddings

    def terms(self, embeddings: dict[str, Tensor]) -> SogCLRTerms:
        """The loss of a batch, and what its samples' rows become."""
        z1, z2 = embeddings["z1"], embeddings["z2"]
        if "index" not in embeddings:
            return sog_clr_terms(z1, z2, self.temperature)
        rows = self.table.gather(embeddings["index"])
        return sog_clr_terms(z1, z2, self.temperatures(rows), rows[:, _LOG_MEAN], rows[:, _SEEN] > 0.5, self.gamma)

    def temperatures(self, rows: Tensor) -> Tensor:
        """The temperature of each sample, `[N]`, by its row of the table."""
        # NaN for a sample that the table lacks: so the loss is NaN, too.
        past = rows[:, _LOG_MEAN]
        return keras.ops.where(keras.ops.isnan(past), past, keras.ops.full_like(past, self.temperature))

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        return self.terms(embeddings).loss, {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """The mean over the negatives stands in the place of their sum: `T log E_j exp(z_i.z_j / T) - z_i.z_p(i)`.

        - at chance `T log E exp(cos / T)`, about `1 / (2 D T)`;
        - collapsed 0, once the moving averages have caught up;
        - never below `T log gamma - N / (N - 1)`: a moving average is at least gamma times the batch's own mean, and
          pairs are at best at the corners of a simplex. For `ISogCLR`, T is the highest temperature here, and the one
          at the start at chance.
        """
        highest = self.highest_temperature
        return ExpectedLoss(
            initial=self.temperature * log_mean_exp(self.embedding_dim, 1.0 / self.temperature),
            collapsed=0.0,
            floor=highest * math.log(self.gamma) - widest_gap(batch_size),
        )

    @property
    def highest_temperature(self) -> float:
        """The highest that a sample's temperature can be."""
        return self.temperature

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        terms = self.terms(embeddings)
        rows = keras.ops.stack([terms.log_mean, keras.ops.ones_like(terms.log_mean)], axis=1)
        self.table.update(embeddings["index"], rows, updated)
        return super().after_step(embeddings, updated, step)


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2305.11965")
class ISogCLR(SogCLR):
    """iSogCLR: SogCLR in which each sample has a temperature of its own, learned beside the encoder.

    The robust loss of a sample is `T log E_j exp(h_j / T) + T rho` with `h_j` the similarity to a negative: the worst
    average of its negatives within the Kullback-Leibler divergence `rho` of the uniform one. Its derivative by T is
    `log u_i' + rho - E_j[ exp(z_i.z_j / T) / u_i' z_i.z_j / T ]`, that is, `rho` minus the divergence: samples with
    many near negatives (common kinds) come to higher temperatures, rare ones to lower. Once a step, for the samples of
    the batch, averaged over the two views:

        velocity = (1 - m) velocity + m clip(derivative, -3, 3),    T = clip(T - rate * velocity, lowest, highest)

    as in the authors' code for images (similarities, not their differences from the positive's, are averaged; the two
    agree where the weights sum to 1). All else is as in `SogCLR`, which this is with `temperature_rate=0`. Logged:
    `loss`, `temperature` (mean of the batch's, after the step), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        dataset_size: number of samples in the data set: every `index` is below it.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T of every sample at the start, and in evaluation. Defaults to `0.1`.
        gamma: weight of the batch in the moving average, in (0, 1]. Defaults to `0.8`.
        rho: radius of the constraint, not negative. Large: temperatures fall; 0: they rise. Defaults to `0.4`.
        temperature_rate: learning rate of the temperatures, not negative. Defaults to `0.03`. This, `gamma`, `rho` and
            `temperature_momentum` default to the authors' command for CIFAR-100.
        temperature_momentum: weight m of the new derivative in the velocity, in (0, 1]. Defaults to `0.5`.
        temperature_range: lowest and highest temperature. Defaults to `(0.05, 1.0)`, the authors'.
        **kwargs: `batch_norm`, as for `SimCLR`; `views`, `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: as for `SogCLR`, and if `rho` or `temperature_rate` is negative, `temperature_momentum` not in
            (0, 1], or `temperature` not within `temperature_range`.

    Example:

    ```python
    model = keras_ssl.ISogCLR(keras_ssl.encoders.ConvNet(), dataset_size=len(images), projector=(256, 64))
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Qiu et al., "Not All Semantics are Created Equal: Contrastive Self-supervised Learning with Automatic
        Temperature Individualization", ICML 2023.
    """

    def __init__(
        self,
        encoder: keras.Model,
        dataset_size: int,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        gamma: float = 0.8,
        rho: float = 0.4,
        temperature_rate: float = 0.03,
        temperature_momentum: float = 0.5,
        temperature_range: Sequence[float] = (0.05, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, dataset_size, projector, temperature, gamma, **kwargs)
        for name, value in (("rho", rho), ("temperature_rate", temperature_rate)):
            if value < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={value}")
        if not 0 < temperature_momentum <= 1:
            raise ValueError(
                f"`temperature_momentum` must lie in (0, 1]. Received: temperature_momentum={temperature_momentum}"
            )
        lowest, highest = temperature_range
        check_positive("temperature_range[0]", lowest)
        if not lowest <= temperature <= highest:
            raise ValueError(
                f"`temperature` must lie in `temperature_range` ({lowest}, {highest}). "
                f"Received: temperature={temperature}"
            )
        self.rho = rho
        self.temperature_rate = temperature_rate
        self.temperature_momentum = temperature_momentum
        self.temperature_range = (float(lowest), float(highest))

    def first_row(self) -> tuple[float, ...]:
        return (*super().first_row(), self.temperature, 0.0)

    def temperatures(self, rows: Tensor) -> Tensor:
        return rows[:, _TEMPERATURE]

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        ops, terms, index = keras.ops, self.terms(embeddings), embeddings["index"]
        rows = self.table.gather(index)
        slope = ops.clip(terms.slope + self.rho, -_STEEPEST, _STEEPEST)
        velocity = (1.0 - self.temperature_momentum) * rows[:, _VELOCITY] + self.temperature_momentum * slope
        moved = self.temperatures(rows) - self.temperature_rate * velocity
        temperature = ops.clip(moved, *self.temperature_range)
        rows = ops.stack([terms.log_mean, ops.ones_like(velocity), temperature, velocity], axis=1)
        self.table.update(index, rows, updated)
        return {"temperature": ops.mean(temperature)}

    @property
    def highest_temperature(self) -> float:
        return self.temperature_range[1]
