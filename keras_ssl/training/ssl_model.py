"""The base of every objective: one model that makes views, embeds them, and trains."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, ClassVar

import keras

from keras_ssl.layers.pixel_scale import check_value_range
from keras_ssl.layers.state_layer import Plan
from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import warn
from keras_ssl.signature_config import refuse_unknown, signature_config
from keras_ssl.training import engine
from keras_ssl.training.accumulation import accumulation_differences
from keras_ssl.training.advice import layers_advice
from keras_ssl.training.backends import backend
from keras_ssl.training.batch import holds_crops, is_views
from keras_ssl.training.check_labels import check_some_labels
from keras_ssl.training.encoder_front import encoder_shapes
from keras_ssl.training.engine import Outcome
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.finite_watch import FiniteWatch
from keras_ssl.training.fitting import DEFAULT_BATCH_SIZE, Fitting
from keras_ssl.training.makers import Makers
from keras_ssl.training.pixel_input import PixelInput, dtype_of, model_scale
from keras_ssl.training.replicas import check_divisible, replica_count
from keras_ssl.training.scalar_means import ScalarMeans
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.training.view_argument import as_views, check_channels
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.after_crop import without_crops
from keras_ssl.views.view import View

_TEST_KEY = 0x9E3779B9  # keeps the views of an evaluation apart from those of training


class SSLModel(Makers, PixelInput, Fitting):
    """A self-supervised objective around an encoder, trained by `fit` like any Keras model.

    A subclass builds its heads in `__init__` and writes two methods:

    - `embed(batch, step) -> dict of tensors [n, ...]`, on the part of the batch that this replica holds;
    - `objective(embeddings, step) -> (scalar loss, dict of logged scalars)`, on the embeddings of the **global** batch,
      in float32; or, where the loss is a mean over samples, `sample_terms(embeddings, step)` and `scope = "sample"`,

    and, where it keeps state (teacher, queue, center), a third: `after_step(embeddings, updated, step)`. `step` is a
    `keras_ssl.training.Step`: whether this is training, the step's number, the updates made, random streams.

    In between, this class gathers the embeddings across replicas, differentiably, so that loss, gradient and update
    are those of one device with the same global batch. Of losses that are means over samples it adds up sums instead,
    and gathers nothing. No objective contains distributed code.

    The model is built when it is constructed. `model(x)` and `predict` give the encoder's features; `fit` makes views
    of images inside the step. Views are a pure function of the seed, the step (the weight `step`, saved with the model)
    and the sample's position in the global batch.

    The defaults of a subclass are its paper's, for a million images and a wide encoder. On fewer,
    `SimCLR.for_data(encoder, images)` gives a compiled model with sizes, views and optimizer for them.

    The type of the images decides the scale of their pixels, never their values: uint8 is 0 to 255, uint16 is 0 to
    65535, floats lie in [0, 1]; other integers, and floats of another range, need `value_range`. Views work in [0, 1],
    and training and use give the encoder the same input. Values outside their range are an error before training and
    in `predict`; in compiled code, which cannot raise, the sample becomes NaN (`keras_ssl.callbacks.StopOnNaN`).

    Besides what the objective logs, training logs `embedding_std` (about 1 where the directions of the monitored
    embedding fill the sphere, 0 where all are one point) and `gradient_norm`, the length of the step's gradient before
    it is clipped.

    Args:
        encoder: any built `keras.Model` that maps a batch of inputs to features `[N, D]`; a subclassed one must have
            been called once.
        views: what makes the views: an op of `keras_ssl.views` that returns a list of them, such as
            `keras_ssl.views.simclr()`; a list of views, one pipeline for each; a function of `(images, stream)`; or
            `keras_ssl.views.OwnViews(size, ...)`, which changes the paper's.
            None (default) takes the paper's recipe. Of ready-made views, `x=(a, b)`, the k-th goes through the k-th
            pipeline of `views`, and to the encoder as it is where `views` is None.
        preprocessing: layer that turns pixels into the encoder's input, in training and in use; "auto" (default) is
            `ImagePreprocessing` (ImageNet's statistics for 3 channels, otherwise 0.5 and 0.25) for encoders of
            images, and nothing for others; None is nothing. Another layer, or the encoder where there is none, is given
            pixels on the scale of the data: 0 to 255 for uint8. So is an encoder that begins with Rescaling or
            Normalization, by "auto" too, with a warning.
        value_range: `(low, high)`, the lowest and the highest value of the data, of whatever type: `(-1, 1)`, or
            `(0, 4095)` for scans of 12 bits. Defaults to None: that of an `ImagePreprocessing` given, else the type
            decides. With inputs that are no images, such as volumes, "auto" then scales them to [0, 1].
        seed: of views and order. Defaults to 0.
        **kwargs: `name`, `dtype`.

    Raises:
        ValueError: if the encoder is not built or its output is not `[N, D]`, `views` cannot make views or do not suit
            the encoder's channels, `value_range` is no range or not that of `preprocessing`, or the seed is not in
            [0, 2**32).
    """

    fields: ClassVar[dict[str, Field]] = {}
    """What the objective reads of the batch besides `x`, by name; where that depends on arguments, see
    `batch_fields`."""

    scope: ClassVar[str] = "batch"
    """Of the loss: "batch" (`objective` of the gathered embeddings), "sample" (`sample_terms`), or "both"."""

    monitor: ClassVar[str | None] = None
    """Name of the embedding whose spread is logged; None is the first."""

    view_count: ClassVar[int] = 2
    """How many views the objective is defined on."""

    without_labels: ClassVar[str | None] = None
    """Name of the objective to take where no sample has a label, of one that learns nothing then; None of others."""

    tiny: ClassVar[dict[str, Any] | None] = None
    """Arguments with which the conformance suite makes a model that trains in seconds; None has none."""

    needs_tokens: ClassVar[bool] = False
    """Whether the encoder must be a `TokenEncoder`; those of the family "masked" always do."""

    fixed_teacher: ClassVar[bool] = False
    """Whether the objective has a teacher that is meant to stand still."""

    stored_as: ClassVar[dict[str, str]] = {}
    """Where arguments are kept that are no attribute of their own name, such as `{"queue_size": "queue.size"}`."""

    def __init__(
        self,
        encoder: keras.Model,
        *,
        views: Callable[..., list[Tensor]] | Sequence[View] | None = None,
        preprocessing: Any = "auto",
        value_range: Sequence[float] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(type(self), kwargs)
        # Images are scaled before they are rounded to half precision.
        super().__init__(**{"autocast": False, **kwargs})
        if not isinstance(encoder, keras.layers.Layer) or not encoder.built:
            raise ValueError(
                "`encoder` must be a built keras.Model (give it an input shape, or call it once). "
                f"Received: encoder={encoder!r}"
            )
        input_shape, output_shape = encoder_shapes(encoder)
        if len(output_shape) != 2 or output_shape[-1] is None:
            raise ValueError(
                "`encoder` must map a batch to features [N, D] (for a feature map, pool it). "
                f"Received: encoder with output shape {output_shape}"
            )
        if int(seed) != seed or not 0 <= seed < 2**32:
            raise ValueError(f"`seed` must be an integer in [0, 2**32). Received: seed={seed}")
        self.encoder = encoder
        self.seed = int(seed)
        self.backend = backend
        self._shapes = (input_shape, output_shape)
        self.explicit_views = views is not None
        self.views = self.default_views() if views is None else as_views(views, self.default_views)
        check_channels(self.views, input_shape, self.explicit_views)
        if not self.explicit_views and self._for_images_alone:
            warn(f"{self._no_views} Received: encoder with input shape {input_shape}", stacklevel=2)
        self.preprocessing, self.value_range = model_scale(encoder, preprocessing, check_value_range(value_range))
        if isinstance(self.preprocessing, keras.layers.Layer) and not self.preprocessing.built:
            self.preprocessing.build(input_shape)  # or `fit` on JAX would call the model on a batch to build it
        self.step = self._counter("step")
        self.total_updates = self._counter("total_updates")
        # Two, because training logs more than evaluation does, and `fit` evaluates between its epochs.
        self.scalars, self.test_scalars = ScalarMeans(name="scalars"), ScalarMeans(name="test_scalars")
        self._evaluating = False
        self._view_programs: Any = None
        self._crop_programs: Any = None
        self._on_device: Any = None  # the data set on the device from whose inputs the step gathers its batch
        self._batch_size = DEFAULT_BATCH_SIZE
        self._watch: FiniteWatch | None = None
        self.built = True

    # What a subclass writes ------------------------------------------------------------------------------------

    @abstractmethod
    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        """Embeddings of the local batch, by name.

        Every tensor has the local batch as its first axis. Fields of the batch that the objective needs (labels, say)
        are passed on here.
        """

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        """The loss of the global batch, and scalars to log beside it; for the scopes "batch" and "both"."""
        raise NotImplementedError(f"{type(self).__name__} must define `objective(embeddings, step)`.")

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> Mapping[str, Term | tuple[Tensor, ...]]:
        """The parts of a loss that is a mean over samples, by name; for the scopes "sample" and "both".

        Each is a `Term(values, weights, coefficient)` of this replica's samples, `[n]`, and is logged under its name.
        The loss is `sum over terms of coefficient * sum(weights * values) / sum(weights)`, over the global batch.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `sample_terms(embeddings, step)`.")

    def default_views(self) -> Callable[..., list[Tensor]]:
        """The paper's views, for a model made without `views`."""
        raise ValueError(f"{type(self).__name__} has no views of its own. Received: views=None")

    def gathered_names(self, embeddings: Mapping[str, Tensor]) -> Sequence[str]:
        """Names of the embeddings that are gathered across replicas, for `objective` and `after_step`.

        All of them where the scope is "batch", otherwise none unless a subclass says so.
        """
        return () if self.scope == "sample" else tuple(embeddings)

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        """Changes state after the optimizer has run; returns scalars to log, if any.

        `updated` is a boolean scalar: false on a micro-batch of gradient accumulation and on a step that loss scaling
        skipped. State must not change then. So a teacher moves once for each update; and of the micro-batches of an
        update, a queue takes the last. `step.updates` is the number before this step.
        """
        return None

    def gradients(self, batch: dict[str, Any], step: Step) -> tuple[Outcome, list[Tensor | None]]:
        """The loss of a batch and a gradient for each trainable weight, before they are summed over replicas.

        A method that trains otherwise than by the gradient of its loss overrides this: it may call
        `loss_and_gradients` at other weights, combine the gradients of `loss_and_term_gradients`, or mask them.

        Returns:
            What the forward pass found, and one tensor or None for each of `trainable_variables`.
        """
        return self.loss_and_gradients(batch, step)

    def before_first_step(self) -> None:
        """Called by `fit` where the model has not yet made a step, so that state can follow what the user has done to
        the model since it was made."""

    def advice(self, plan: Plan) -> list[str]:
        """Where an argument does not suit a run that `fit` is about to make: a sentence each, which becomes a warning.

        Layers with a method of this name, such as every `StateLayer`, add their own here.

        Args:
            plan: samples, batch size and updates of the run, as far as the data tell.
        """
        return layers_advice(self, plan)

    @property
    def batch_fields(self) -> Mapping[str, Field]:
        """What this model reads of a batch besides `x`: `fields`, unless a subclass decides by its arguments."""
        return self.fields

    @property
    def compares_samples(self) -> bool:
        """Whether the loss compares the samples of a batch with one another, as it does unless its scope is "sample" or
        an objective says otherwise; where not, the loss of a batch is the mean of the losses of its parts."""
        return self.scope != "sample"

    def check_batch_size(self, batch_size: int) -> None:
        """Raises a `ValueError` where the objective cannot work with a global batch of this size."""
        if batch_size < 2:
            raise ValueError(f"`batch_size` must be at least 2. Received: batch_size={batch_size}")
        check_divisible(batch_size, replica_count(self))

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """What theory says of the loss of a global batch of this size, of at least 2 samples: see `expected_loss`."""
        return ExpectedLoss()

    @property
    def needs_labels(self) -> bool:
        """Whether `fit` refuses data without any label, and names `without_labels` as the alternative."""
        return self.without_labels is not None

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        """Raises a `ValueError` where what the batch fields hold does not suit training, taken together.

        `fit` calls it before training, `evaluate` does not.

        Args:
            fields: arrays by name, `y` and `index` among them: of all samples, or of the first batch.
            whole: whether they are of all samples, as of arrays and streams.
            batch_size: of batches that are drawn from all samples alike; None where they are made otherwise.
        """
        if self.needs_labels:
            check_some_labels(type(self).__name__, fields.get("y"), self.without_labels or "SimCLR", whole)

    def check_batch(self, batch: dict[str, Any]) -> None:
        """Raises a `ValueError` that names the first sample whose values do not suit the objective, before training.

        `fit` and `evaluate` call it with all samples of arrays and streams, and with the first batch of other data.
        """
        self.check_values(batch["x"])
        for name, field in self.batch_fields.items():
            if name in batch:
                field.check_values(name, batch[name])

    # What a subclass uses --------------------------------------------------------------------------------------

    def make_views(self, batch: dict[str, Tensor], step: Step) -> list[Tensor]:
        """The views of a batch, preprocessed: the encoder's inputs.

        Precomputed views are taken as they are, unless the model was given `views`: then each goes through the pipeline
        of its place.
        """
        x, finished = batch["x"], batch.get("finished", False)
        if is_views(x) and (finished or not self.explicit_views) and not holds_crops(batch):
            return self._enough([self.encoder_input(view, check=not finished) for view in x])
        return [made for _, made in self.view_pairs(batch, step)]

    def view_pairs(self, batch: dict[str, Tensor], step: Step) -> list[tuple[Tensor, Tensor]]:
        """Each view of a batch twice: on the scale of the views, for images [0, 1], and as the encoder's input."""
        x = batch["x"]
        if not is_views(x) or holds_crops(batch):
            views = self.backend.call_views(self, x, step)
        elif self.explicit_views and not batch.get("finished", False):
            views = self._views_of_parts(x, step, self.views)
        else:
            views = [self._to_unit(view) for view in x]
        dtypes = [dtype_of(part) for part in (x if is_views(x) else [x] * len(views))]
        pairs = zip(self._enough(views), dtypes, strict=True)
        return [(view, self._from_view(view, dtype)) for view, dtype in pairs]

    def _enough(self, views: list[Tensor]) -> list[Tensor]:
        if len(views) < self.view_count:
            raise ValueError(
                f"{type(self).__name__} needs {self.view_count} views of every sample. Received: {len(views)} views"
            )
        return views

    def shuffled(self, rows: Tensor, step: Step) -> Tensor:
        """A partner for every sample: the rows of the whole global batch in random order, those of this replica.

        For what needs no gradient, such as inputs: TensorFlow's gradient of a gather takes no sparse one.

        Args:
            rows: a tensor `[n, ...]`, a row for each sample of the local batch.
            step: the step, which decides the order, so that two calls in a step give the same partners.

        Returns:
            A tensor of the same shape.
        """
        everything = self.backend.gather({"rows": rows})["rows"]
        order = step.order(keras.ops.shape(everything)[0])
        return keras.ops.take(everything, keras.ops.take(order, step.position), axis=0)

    def loss_and_gradients(
        self, batch: dict[str, Any], step: Step, at: Sequence[Tensor] | None = None
    ) -> tuple[Outcome, list[Tensor | None]]:
        """The loss of a batch and its gradients, of this replica's part.

        Args:
            batch, step: of the step.
            at: values for all trainable weights, in the place of their own; moving statistics then stay as they are.
                Defaults to None.

        Returns:
            As `gradients`.
        """
        return engine.loss_and_gradients(self, batch, step, at)

    def loss_and_term_gradients(
        self, batch: dict[str, Any], step: Step
    ) -> tuple[Outcome, dict[str, list[Tensor | None]]]:
        """The loss of a batch, and the gradients of each of its parts (the objective, each term) by name."""
        return engine.loss_and_term_gradients(self, batch, step)

    @property
    def encoder_input_shape(self) -> tuple[int | None, ...]:
        """Shape of the encoder's input, the batch first and unknown; of a dict of columns, a dict of shapes."""
        return self._shapes[0]

    @property
    def feature_dim(self) -> int:
        """Width of the encoder's features."""
        return int(self._shapes[1][-1] or 0)

    @property
    def updates(self) -> Tensor:
        """Number of optimizer updates made so far, a scalar tensor; 0 before the model is compiled."""
        if getattr(self, "optimizer", None) is None:
            return keras.ops.zeros((), "int32")
        return keras.ops.cast(keras.ops.convert_to_tensor(self.optimizer.iterations), "int32")

    @property
    def takes_columns(self) -> bool:
        """Whether the encoder's input is a dict of tensors by name (columns, modalities)."""
        return isinstance(self._shapes[0], dict)

    @property
    def test_seed(self) -> int:
        """The seed of evaluations: their views are others than those of training."""
        return self.seed ^ _TEST_KEY

    # What a user calls -----------------------------------------------------------------------------------------

    def expected_loss(self, batch_size: int | None = None) -> ExpectedLoss:
        """The loss to expect, in theory: at chance, at complete collapse, and the least there can be.

        The formulas and where they come from are in the docstring of each objective's `expected_range`. Penalties of
        the encoder's own (weight regularizers) come on top.

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
        its own: no samples of the batch are compared (`compares_samples`), no batch normalization is in training (with
        `layer.trainable = False` it is not), and no queue, center or table takes its state from batches, of which it
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
        return self.features(x, training=training)

    def features(self, x: Tensor, training: bool = False) -> Tensor:
        """The encoder's features of `x`, `[N, D]`, whatever the model predicts."""
        return self.nan_outside(x, self.encoder(self.encoder_input(x), training=training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape = next(iter(input_shape.values())) if isinstance(input_shape, dict) else input_shape
        return (shape[0], self.feature_dim)

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
            **signature_config(self, SSLModel),
            "encoder": serialize(self.encoder),
            "views": serialize(self.views) if self.explicit_views else None,
            "preprocessing": None if self.preprocessing is None else serialize(self.preprocessing),
            "value_range": None if self.value_range is None else list(self.value_range),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "SSLModel":
        config = dict(config)
        for name, value in config.items():
            if isinstance(value, dict) and {"class_name", "config"} <= set(value):
                # A copy: Keras takes the config of a functional model apart as it reads it.
                own = deepcopy(value)
                config[name] = keras.saving.deserialize_keras_object(own, custom_objects=custom_objects)
        return cls(**config)

    # What Keras and the backend call ---------------------------------------------------------------------------

    def train_step(self, *arguments: Any) -> Any:
        return self.backend.train_step(self, *arguments)

    def test_step(self, *arguments: Any) -> Any:
        return self.backend.test_step(self, *arguments)

    def call_views(self, images: Tensor, step: Step) -> list[Tensor]:
        """The views of images, or of a tuple of crops of them, in the range of the views, not preprocessed, by a plain
        call."""
        if is_views(images):
            return self._views_of_parts(images, step, without_crops(self.views))
        views: Any = self.views(self._to_unit(images), step.view_stream())
        return list(views) if is_views(views) else [views]

    def first_views(self, images: Tensor) -> list[Tensor]:
        """The views that the first training step would make of a batch, in the range of the images."""
        compiled = self.backend.program(
            self, lambda batch: self.call_views(batch, Step.at(len(images), seed=self.seed))
        )
        return self._as_ready_made(compiled(images), images)

    def make_probe(self) -> Callable[[Any], tuple[Tensor, Tensor, list[Tensor | None]]]:
        """A function of a batch: the loss, the monitored embedding and the gradients that a step would find.

        Nothing of the model changes. The batch's views may come precomputed, in any number and size. It is compiled at
        the first call.
        """

        def probe(data: Any) -> tuple[Tensor, Tensor, list[Tensor | None]]:
            batch, step = engine.prepare(self, data, training=True, check=False)
            step = replace(step, index=keras.ops.zeros((), "int32"))
            values = [keras.ops.convert_to_tensor(variable) for variable in self.trainable_variables]

            def function() -> tuple[Tensor, Tensor]:
                local = engine.embed(self, batch, step)
                return engine.reduce(self, local, step).loss, local[self.monitor or next(iter(local))]

            (loss, embedding), gradients = self.backend.value_and_gradients(
                self, function, self.trainable_variables, at=values
            )
            return loss, embedding, gradients

        return self.backend.program(self, probe)

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        self.backend.before_epochs(self, iterator, data_batch, super()._symbolic_build)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        self._symbolic_build(iterator=iterator, data_batch=data_batch)

    def _counter(self, name: str) -> Any:
        return self.add_weight(
            name=name,
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
