"""Reconstruction contractive autoencoders."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float
from keras_ssl.objectives.masked.reconstruction_autoencoder import ReconstructionAutoencoder, squared_errors
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="masked", modality="any", paper="https://arxiv.org/abs/1211.4246")
class ContractiveReconstructionAutoencoder(ReconstructionAutoencoder):
    r"""Reconstruct inputs with a reconstruction that changes little around them: what is learned is the score.

    The loss is `|r(x) - x|^2 + sigma^2 |dr/dx|_F^2`, sums over the entries of x. The squared Frobenius norm of the
    Jacobian is estimated by one random vector in each step: v standard normal, `|J v|^2`, with `J v` from the
    difference `(r(x + h v) - r(x - h v)) / (2 h)`, which is exact where r is linear and has an error of the order of
    `h^2` elsewhere. For small sigma, `score(x) = (r(x) - x) / sigma^2` estimates the gradient of the log density of the
    data, and `keras_ssl.evaluation.langevin_samples` and `metropolis_hastings_samples` draw from it. With sigma 0 this
    is a plain autoencoder. Where r is linear, the expected loss is that of `DenoisingAutoencoder`. Logged: `loss`,
    `reconstruction` (the first part), `contraction` (`|J v|^2`), `embedding_std` of the features.

    The loss is a mean over samples: nothing of it is gathered across replicas. A step passes the networks three times.

    Args:
        encoder: a built `keras.Model` that maps inputs of a known shape to features `[N, F]`. Batch normalization in it
            would let a reconstruction depend on other samples.
        sigma: weight of the contraction, on the scale of the encoder's inputs, not negative. Defaults to 0.3.
        decoder: a built `keras.Model` from features `[N, F]` to inputs, or None (default): dense layers.
        decoder_widths: widths of the hidden layers of the default decoder, with SiLU between them. Defaults to (256,).
        difference: h > 0, how far from x the Jacobian is taken. Defaults to 0.01. Under half precision take more.
        **kwargs: `views` (default: the inputs as they are), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the decoder does not fit, the shape of inputs is not known, or an argument is out of range.

    Example:

    ```python
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(64, "silu"), keras.layers.Dense(64, "silu")])
    model = keras_ssl.ContractiveReconstructionAutoencoder(encoder, sigma=0.1)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(points, epochs=100)  # float32 [N, 2]
    score = model.score(points)
    ```

    Reference:
        Alain and Bengio, "What Regularized Auto-Encoders Learn from the Data Generating Distribution", JMLR 2014.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"decoder_widths": (16,), "difference": 0.1}

    def __init__(
        self,
        encoder: keras.Model,
        sigma: float = 0.3,
        decoder: keras.Model | None = None,
        decoder_widths: Sequence[int] = (256,),
        difference: float = 0.01,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, sigma, decoder, decoder_widths, **kwargs)
        self.difference = check_number("difference", difference, 0.0, above=True)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        x = self.make_views(batch, step)[0]
        features = self.encoder(x, training=step.training)
        made = {
            "features": keras.ops.stop_gradient(features),
            "reconstruction": self.decoder(features, training=step.training),
            "target": x,
        }
        if self.sigma:
            made["product"] = self.jacobian_product(x, self.noise(x, step), step.training)
        return made

    def jacobian_product(self, x: Tensor, vectors: Tensor, training: bool = False) -> Tensor:
        """The Jacobian of the reconstruction at `x [N, ...]` times a vector for each sample, of the shape of `x`."""
        ahead = self.reconstruct(x + self.difference * vectors, training)
        behind = self.reconstruct(x - self.difference * vectors, training)
        return (as_float(ahead) - as_float(behind)) / (2.0 * self.difference)

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        terms = {"reconstruction": Term(squared_errors(embeddings["reconstruction"], embeddings["target"]))}
        if self.sigma:
            product = embeddings["product"]
            terms["contraction"] = Term(squared_errors(product, keras.ops.zeros_like(product)), None, self.sigma**2)
        return terms
