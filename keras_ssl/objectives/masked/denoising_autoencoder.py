"""Denoising autoencoders."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.objectives.masked.reconstruction_autoencoder import ReconstructionAutoencoder, squared_errors
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="masked", modality="any", paper="https://arxiv.org/abs/1211.4246")
class DenoisingAutoencoder(ReconstructionAutoencoder):
    r"""Reconstruct an input from itself with Gaussian noise: what is learned is the score of the noisy data.

    With `x' = x + sigma * e` and e standard normal, the loss is `|r(x') - x|^2`, the sum over entries. The best r is
    `x + sigma^2 * gradient of log p(x)`, with p the density of `x'`; so `score(x)`, which is `(r(x) - x) / sigma^2`,
    estimates that gradient, and `keras_ssl.evaluation.langevin_samples` and `metropolis_hastings_samples` draw from p.
    With sigma 0 this is a plain autoencoder. Logged: `loss`, `reconstruction` (the same), `embedding_std` of the
    features of the inputs without noise.

    The loss is a mean over samples: nothing of it is gathered across replicas.

    Args:
        encoder: a built `keras.Model` that maps inputs of a known shape to features `[N, F]`. Batch normalization in it
            would let a reconstruction depend on other samples.
        sigma: standard deviation of the noise, on the scale of the encoder's inputs, not negative. Defaults to 0.3.
        decoder: a built `keras.Model` from features `[N, F]` to inputs, or None (default): dense layers.
        decoder_widths: widths of the hidden layers of the default decoder, with SiLU between them. Defaults to (256,).
        **kwargs: `views` (default: the inputs as they are), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the decoder does not fit, the shape of inputs is not known, or an argument is out of range.

    Example:

    ```python
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(64, "silu"), keras.layers.Dense(64, "silu")])
    model = keras_ssl.DenoisingAutoencoder(encoder, sigma=0.1)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(points, epochs=100)  # float32 [N, 2]
    keras_ssl.evaluation.langevin_samples(model.score, points[:100], step_size=0.01)
    ```

    Reference:
        Alain and Bengio, "What Regularized Auto-Encoders Learn from the Data Generating Distribution", JMLR 2014.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"decoder_widths": (16,)}

    def __init__(
        self,
        encoder: keras.Model,
        sigma: float = 0.3,
        decoder: keras.Model | None = None,
        decoder_widths: Sequence[int] = (256,),
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, sigma, decoder, decoder_widths, **kwargs)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        x = self.make_views(batch, step)[0]
        noisy = x + self.sigma * self.noise(x, step) if self.sigma else x
        return {
            # Those of the inputs as they are, which the noise would spread.
            "features": keras.ops.stop_gradient(self.encoder(x, training=False)),
            "reconstruction": self.reconstruct(noisy, step.training),
            "target": x,
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        return {"reconstruction": Term(squared_errors(embeddings["reconstruction"], embeddings["target"]))}
