"""NT-Xent, the loss of SimCLR."""

from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from keras_ssl.losses.numeric import check_positive
from keras_ssl.losses.view_similarities import view_similarities
from keras_ssl.typing import Tensor


def nt_xent_loss(z1: Tensor, z2: Tensor, temperature: float = 0.1) -> Tensor:
    r"""NT-Xent: among all 2N embeddings, each should find the other view of its own image.

    With `z = concat(z1, z2)`, rows L2-normalized, and `p(i)` the other view of `i`:
    `-1/(2N) sum_i log( exp(z_i.z_p(i) / T) / sum_{j != i} exp(z_i.z_j / T) )`. Chance value: `log(2N - 1)`.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        temperature: T > 0. Defaults to `0.1`, the paper's for ImageNet (it takes 0.5 for CIFAR-10).

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive.

    Reference:
        Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
    """
    check_positive("temperature", temperature)
    pairs = view_similarities(z1, z2)
    return contrastive_cross_entropy(pairs.cosines / temperature, pairs.partner, pairs.oneself)
