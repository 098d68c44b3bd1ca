"""The loss of masked siamese networks."""

from collections.abc import Sequence

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_integer, check_pair
from keras_ssl.losses.sinkhorn import sinkhorn
from keras_ssl.typing import Tensor

__all__ = ["msn_terms"]


def msn_terms(
    anchors: Sequence[Tensor],
    target: Tensor,
    temperature: float = 0.1,
    sharpening: float = 0.25,
    sinkhorn_iterations: int = 3,
) -> tuple[Tensor, Tensor]:
    r"""Cross-entropy of anchors to a sharpened target, and the entropy of the mean prediction.

    With `p(x) = softmax(x / T)` and `sharpen(p) = p^(1/S) / sum p^(1/S)`:

        cross_entropy = mean over anchors a and samples of CE(sharpen(p(target)), p(a))
        entropy = H(mean over anchors and samples of p(a))

    MSN minimizes `cross_entropy - weight * entropy`. The target gets no gradient.

    Args:
        anchors: cosines of the anchors' embeddings with K prototypes, `[N, K]` for each anchor view.
        target: cosines of the target view's embeddings, `[N, K]`.
        temperature: T > 0. Defaults to 0.1.
        sharpening: S > 0. Defaults to 0.25.
        sinkhorn_iterations: iterations of Sinkhorn-Knopp that make the sharpened targets even over the batch; 0 is
            none. Defaults to 3.

    Returns:
        `(cross_entropy, entropy)`, scalars; the entropy is at most `log K`.

    Raises:
        ValueError: if there is no anchor, a value is out of range or shapes differ.

    Example:

    >>> cross_entropy, entropy = msn_terms([np.zeros((3, 4))], np.zeros((3, 4)))
    >>> round(float(cross_entropy), 4), round(float(entropy), 4)  # log 4
    (1.3863, 1.3863)

    Reference: Assran et al., "Masked Siamese Networks for Label-Efficient Learning", ECCV 2022.
    """
    ops = keras.ops
    check_number("temperature", temperature, 0.0, above=True)
    check_number("sharpening", sharpening, 0.0, above=True)
    iterations = check_integer("sinkhorn_iterations", sinkhorn_iterations, 0)
    if not len(anchors):
        raise ValueError("There must be at least one anchor. Received: anchors=[]")
    # Sharpening a softmax divides its temperature.
    logits = ops.stop_gradient(as_float(target, anchors[0])) / (temperature * sharpening)
    # As in the authors' code, rows are distributions before they are made even.
    wanted = ops.softmax(logits, axis=1)
    if iterations:
        wanted = sinkhorn(ops.log_softmax(logits, axis=1), 1.0, iterations)
    cross_entropy, mean = 0.0, 0.0
    for anchor in anchors:
        check_pair(logits, as_float(anchor))
        logs = ops.log_softmax(as_float(anchor, anchors[0]) / temperature, axis=1)
        cross_entropy = cross_entropy - ops.mean(ops.sum(wanted * logs, axis=1)) / len(anchors)
        mean = mean + ops.mean(ops.exp(logs), axis=0) / len(anchors)
    # x log x is 0 at 0; so is its gradient here.
    entropy = -ops.sum(mean * ops.log(ops.maximum(mean, 1e-30)))
    return cross_entropy, entropy
