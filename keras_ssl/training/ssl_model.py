"""The base of every objective: one model that makes views, embeds them, and trains."""

from abc import abstractmethod
from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import keras

from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.losses.numeric import as_float, check_integer, l2_normalize
from keras_ssl.random import Stream, draw_from
from keras_ssl.training.accumulation import accumulation_differences
from keras_ssl.training.batch import as_batch, check_inputs, is_views, sample_count
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.finite_watch import FiniteWatch
from keras_ssl.training.fitting import DEFAULT_BATCH_SIZE, Fitting
from keras_ssl.training.replicas import check_divisible, replica_count
from keras_ssl.training.scalar_means import ScalarMeans
from keras_ssl.typing import Logs, Tensor

BackendStep: Any
if keras.backend.backend() == "tensorflow":
    from keras_ssl.training.tensorflow_step import TensorFlowStep

    BackendStep = TensorFlowStep
elif keras.backend.backend() == "jax":
    from keras_ssl.training.jax_step import JaxStep

    BackendStep = JaxStep
else:
    raise ImportError(
        "keras_ssl trains on the TensorFlow and JAX backends of Keras: set KERAS_BACKEND. "
        f"Received: backend={keras.backend.backend()!r}"
    )

# Out of reach of the draws of the views: those of layers in the networks, and those of the objective itself, for each
# sample and for a step as a whole.
_FIRST_LAYER_DRAW = 2**30
_FIRST_EXTRA_DRAW, _FIRST_STEP_DRAW, _ORDER_DRAW = 2**31, 2**31 + 2**30, 2**32 - 64
_TEST_KEY = 0x9E3779B9  # keeps the views of an evaluation apart from those of training


class SSLModel(BackendStep, Fitting):
    """A self-supervised objective around an encoder, trained by `fit` like any Keras model.

    A subclass builds its heads in `__init__` and writes two methods:

    - `embed(batch, training) -> dict of tensors [n, ...]`, on the part of the batch that this replica holds;
    - `objective(embeddings) -> (scalar loss, dict of logged scalars)`, on the embeddings of the **global** batch, in
      float32.

    and, where it keeps state (teacher, queue, centre), a third: `after_step(embeddings, updated)`. In between, this
    class gathers the embeddings across replicas, differentiably, so that loss, gradient and update are those of one
    device with the same global batch. No objective contains distributed code.

    The model is built when it is constructed. `model(x)` and `predict` give the encoder's features; `fit` takes uint8
    (or [0, 1] floating) images and makes views of them inside the step. Views are a pure function of the seed, the
    step (the weight `step`, saved with the model) and the sample's position in the global batch.

    Besides what the objective logs, training logs `embedding_std` (see `_spread`) and `gradient_norm`, the length of
    the step's gradient before it is clipped.

    Args:
        encoder: any built `keras.Model` that maps a batch of inputs to features `[N, D]`.
        views: what makes the views: an op of `keras_ssl.views` that returns a list of them, such as
            `keras_ssl.views.simclr()`; None (default) takes the paper's recipe.
        preprocessing: layer that turns pixels into the encoder's input, in training and in use; "auto" (default) is
            `ImagePreprocessing` (ImageNet's statistics for 3 channels, otherwise 0.5 and 0.25) for encoders of
            images, and nothing for others; None is nothing.
        seed: of views and order. Defaults to 0.
        **kwargs: `name`, `dtype`.

    Raises:
        ValueError: if the encoder is not built or its output is not `[N, D]`, or the seed is not in [0, 2**32).
    """

    required_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the batch that the objective needs besides `x`."""

    view_count: ClassVar[int] = 2
    """How many views the objective is defined on."""

    fixed_teacher: ClassVar[bool] = False
    """Whether the objective has a teacher that is meant to stand still."""

    def __init__(
        self,
        encoder: keras.Model,
        *,
        views: Callable[..., list[Tensor]] | None = None,
        preprocessing: Any = "auto",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(encoder, keras.layers.Layer) or not encoder.built:
            raise ValueError(
                "`encoder` must be a built keras.Model (give it an input shape, or call it once). "
                f"Received: encoder={encoder!r}"
            )
        if len(encoder.output_shape) != 2 or encoder.output_shape[-1] is None:
            raise ValueError(
                "`encoder` must map a batch to features [N, D] (for a feature map, pool it). "
                f"Received: encoder with output shape {encoder.output_shape}"
            )
        if int(seed) != seed or not 0 <= seed < 2**32:
            raise ValueError(f"`seed` must be an integer in [0, 2**32). Received: seed={seed}")
        self.encoder = encoder
        self.seed = int(seed)
        self.views = self.default_views() if views is None else views
        self.preprocessing = default_preprocessing(encoder) if preprocessing == "auto" else preprocessing
        self.step = self._counter("step")
        self.total_updates = self._counter("total_updates")
        # Two, because training logs more than evaluation does, and `fit` evaluates between its epochs.
        self.scalars, self.test_scalars = ScalarMeans(name="scalars"), ScalarMeans(name="test_scalars")
        self._evaluating = False
        self._view_programs: Any = None
        self._batch_size = DEFAULT_BATCH_SIZE
        self._watch: FiniteWatch | None = None
        self.built = True

    # What a subclass writes ------------------------------------------------------------------------------------

    @abstractmethod
    def embed(self, batch: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        """Embeddings of the local batch, by name; the first is the one whose spread is logged.

        Every tensor has the local batch as its first axis. Keys of the batch that the objective needs (labels, say)
        are passed on here.
        """

    @abstractmethod
    def objective(self, embeddings: dict[str, Tensor]) -> tuple[Tensor, Logs]:
        """The loss of the global batch, and scalars to log beside it."""

    def default_views(self) -> Callable[..., list[Tensor]]:
        """The paper's views, for a model made without `views`."""
        raise ValueError(f"{type(self).__name__} has no views of its own. Received: views=None")

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor) -> Logs | None:
        """Changes state after the optimizer has run; returns scalars to log, if any.

        `updated` is a boolean scalar: false on a micro-batch of gradient accumulation and on a step that loss scaling
        skipped. State must stand still then. So a teacher moves once for each update; and of the micro-batches of an
        update, a queue takes the last.
        """
        return None

    @property
    def compares_samples(self) -> bool:
        """Whether the loss compares the samples of a batch with one another, as it does unless an objective says
        otherwise; where not, the loss of a batch is the mean of the losses of its parts."""
        return True

    def check_batch_size(self, batch_size: int) -> None:
        """Raises a `ValueError` where the objective cannot work with a global batch of this size."""
        if batch_size < 2:
            raise ValueError(f"`batch_size` must be at least 2. Received: batch_size={batch_size}")
        check_divisible(batch_size, replica_count(self))

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """What theory says of the loss of a global batch of this size, of at least 2 samples: see `expected_loss`."""
        return ExpectedLoss()

    def check_arrays(self, arrays: dict[str, Any]) -> None:
        """Raises a `ValueError` where arrays given to `fit`, by batch key, do not suit the objective.

        `index` may be absent: the samples are then numbered from 0.
        """

    # What a subclass uses --------------------------------------------------------------------------------------

    def make_views(self, batch: dict[str, Tensor]) -> list[Tensor]:
        """The views of a batch, preprocessed: the encoder's inputs. Ready-made views are taken as they come."""
        if is_views(batch["x"]):
            views = list(batch["x"])
            unit = [view if self.preprocessing is None else self._to_unit(view) for view in views]
        else:
            unit = self._call_views(batch["x"], batch["seed"], batch["step"], batch["position"])
        if len(unit) < self.view_count:
            raise ValueError(
                f"{type(self).__name__} needs {self.view_count} views of every sample. Received: {len(unit)} views"
            )
        return [self._normalize(view) for view in unit]

    def stream(self, batch: dict[str, Tensor]) -> Stream:
        """Random numbers for the objective's own use, independent of those its views draw."""
        return Stream(batch["seed"], batch["step"], batch["position"], first_draw=_FIRST_EXTRA_DRAW)

    def step_stream(self, batch: dict[str, Tensor]) -> Stream:
        """Random numbers that all samples of the step share: a stream of one row, the same on every replica."""
        return Stream(batch["seed"], batch["step"], keras.ops.zeros((1,), "int32"), first_draw=_FIRST_STEP_DRAW)

    def shuffled(self, rows: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """A partner for every sample: the rows of the whole global batch in random order, those of this replica.

        For what needs no gradient, such as inputs: TensorFlow's gradient of a gather takes no sparse one.

        Args:
            rows: a tensor `[n, ...]`, a row for each sample of the local batch.
            batch: the batch; its seed and step decide the order, so that two calls in a step give the same partners.

        Returns:
            A tensor of the same shape.
        """
        everything = self._gather({"rows": rows})["rows"]
        positions = keras.ops.arange(keras.ops.shape(everything)[0], dtype="int32")
        order = keras.ops.argsort(Stream(batch["seed"], batch["step"], positions, first_draw=_ORDER_DRAW).uniform())
        return keras.ops.take(everything, keras.ops.take(order, batch["position"]), axis=0)

    @property
    def feature_dim(self) -> int:
        """Width of the encoder's features."""
        return int(self.encoder.output_shape[-1])

    @property
    def updates(self) -> Tensor:
        """Number of optimizer updates made so far, a scalar tensor."""
        return keras.ops.cast(keras.ops.convert_to_tensor(self.optimizer.iterations), "int32")

    # What a user calls -----------------------------------------------------------------------------------------

    def expected_loss(self, batch_size: int | None = None) -> ExpectedLoss:
        """The loss to expect, in theory: at chance, at complete collapse, and the least there can be.

        The formulas and where they come from are in the docstring of each objective's `expected_range`. Penalties of
        the encoder's own (weight regularisers) come on top.

        Args:
            batch_size: of the global batch, an integer of at least 2. None (default): that of the last `fit`; 256
                before the first, or where the data set did not tell.

        Returns:
            An `ExpectedLoss` with `initial`, `collapsed` and `floor`, each a float, or None where theory gives none.

        Raises:
            ValueError: if `batch_size` is out of range.

        Example:

        ```python
        keras_ssl.SimCLR(encoder).expected_loss(128).collapsed  # log(2 * 128 - 1) = 5.54
        ```
        """
        return self.expected_range(
            self._batch_size if batch_size is None else check_integer("batch_size", batch_size, 2)
        )

    def accumulation_differences(self) -> tuple[str, ...]:
        """Why gradients accumulated over k batches (Keras' `gradient_accumulation_steps`) are not those of one batch
        k times as large; nothing where they are.

        Keras takes the mean of the gradients. That is the gradient of the large batch where every sample has a loss of
        its own: no samples of the batch are compared (`compares_samples`), no batch normalisation is in training (with
        `layer.trainable = False` it is not), and no queue, centre or table takes its state from batches, of which it
        gets the last of every k only. A teacher makes no difference: it moves once for each update. Views are
        drawn anew for each batch, so that the two agree to rounding only where views are ready-made.

        Returns:
            The reasons, a sentence each.

        Example:

        ```python
        encoder = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8)])
        model = keras_ssl.MoCo(encoder, projector=(8,), queue_size=64)
        model.accumulation_differences()  # ("of an update's micro-batches only the last enters queue",)
        ```
        """
        return accumulation_differences(self)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """The encoder's features of `x`, `[N, D]`."""
        return self.encoder(x if self.preprocessing is None else self.preprocessing(x), training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.feature_dim)

    def watch_finite(self, watch: FiniteWatch | None) -> None:
        """Has training steps note where a NaN or infinity first appears; None has them stop it.

        See `keras_ssl.callbacks.StopOnNaN`, which does this.
        """
        self._watch = watch
        self.train_function = None  # a step traced before would not do as told

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "views": serialize(self.views),
            "preprocessing": None if self.preprocessing is None else serialize(self.preprocessing),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "SSLModel":
        config = dict(config)
        for name in ("encoder", "views", "preprocessing"):
            if isinstance(config.get(name), dict):
                # A copy: Keras takes the config of a functional model apart as it reads it.
                own = deepcopy(config[name])
                config[name] = keras.saving.deserialize_keras_object(own, custom_objects=custom_objects)
        return cls(**config)

    # What the backends' steps use ------------------------------------------------------------------------------

    @property
    def _test_seed(self) -> int:
        return self.seed ^ _TEST_KEY

    def _loss_scale(self) -> Tensor | None:
        """What the step's loss is multiplied by, where the optimizer looks for infinite gradients and takes no step
        then; None for other optimizers."""
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            return None
        return self.optimizer.scale_loss(keras.ops.ones((), "float32"))

    def _counter(self, name: str) -> Any:
        return self.add_weight(
            name=name,
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )

    def _prepare(self, data: Any, seed: int, step: Tensor, check: bool = True) -> dict[str, Any]:
        """The batch dict of one step: what the user gave, and what randomness depends on."""
        batch = as_batch(data, self.required_keys)
        if check:
            check_inputs(batch["x"], self.encoder.input_shape)
        batch.update(seed=seed, step=step, position=self._positions(sample_count(batch)))
        return batch

    def _embeddings(self, batch: dict[str, Any], training: bool) -> dict[str, Tensor]:
        """`embed`, its floating tensors in float32: the precision in which replicas are joined and losses computed."""
        stream = Stream(batch["seed"], batch["step"], batch["position"], first_draw=_FIRST_LAYER_DRAW)
        with draw_from(stream):
            embeddings = self.embed(batch, training=training)
        return {name: _at_least_float32(value) for name, value in embeddings.items()}

    def _objective(self, embeddings: dict[str, Tensor]) -> tuple[Tensor, Logs]:
        """The loss with the encoder's own regularisation, and everything that is logged."""
        loss, terms = self.objective(embeddings)
        for penalty in self.losses:
            loss = loss + keras.ops.cast(penalty, loss.dtype)
        return loss, {"loss": loss, **terms, "embedding_std": _spread(next(iter(embeddings.values())))}

    def _after_step(self, embeddings: dict[str, Tensor], updated: Tensor) -> Logs:
        return self.after_step(embeddings, updated) or {}

    def _record(self, logs: Logs, embeddings: dict[str, Tensor]) -> Logs:
        """Adds a step's scalars to the running means, and returns the means."""
        count = keras.ops.shape(next(iter(embeddings.values())))[0]
        self.metrics[0].update_state(logs, weight=count)
        return self.get_metrics_result()

    def _make_views(self, images: Tensor, seed: Tensor, step: Tensor, positions: Tensor) -> list[Tensor]:
        unit = self._to_unit(images)
        views = self.views(unit, Stream(seed, step, positions))
        return list(views) if is_views(views) else [views]

    def _to_unit(self, images: Tensor) -> Tensor:
        if isinstance(self.preprocessing, ImagePreprocessing):
            return self.preprocessing.to_unit_range(images)
        return images

    def _normalize(self, view: Tensor) -> Tensor:
        if isinstance(self.preprocessing, ImagePreprocessing):
            return self.preprocessing.normalize(view)
        return view if self.preprocessing is None else self.preprocessing(view)


def default_preprocessing(encoder: keras.Model) -> ImagePreprocessing | None:
    """What `preprocessing="auto"` stands for: see `SSLModel`."""
    shape = encoder.input_shape
    if len(shape) != 4:
        return None
    return ImagePreprocessing() if shape[-1] == 3 else ImagePreprocessing(mean=0.5, std=0.25)


def _at_least_float32(value: Tensor) -> Tensor:
    return as_float(value) if "float" in keras.backend.standardize_dtype(value.dtype) else value


def _spread(embedding: Tensor) -> Tensor:
    """How far the directions of embeddings spread: about 1 when they fill the sphere, 0 when all are one point.

    `sqrt(D) * mean over dimensions of the standard deviation of the L2-normalised embeddings` (Chen & He, "Exploring
    Simple Siamese Representation Learning", CVPR 2021). The first sign of collapse, so every objective logs it.
    """
    width = embedding.shape[-1]
    flat = keras.ops.stop_gradient(keras.ops.reshape(embedding, (-1, width)))
    return keras.ops.mean(keras.ops.std(l2_normalize(flat), axis=0)) * float(width) ** 0.5
