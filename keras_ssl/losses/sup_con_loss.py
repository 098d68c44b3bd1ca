"""The supervised contrastive loss."""

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.losses.view_similarities import equal_pairs, log_sum_exp, view_similarities
from keras_ssl.typing import Tensor

FORMS = ("out", "in")


def sup_con_loss(
    z1: Tensor,
    z2: Tensor,
    labels: Tensor,
    temperature: float = 0.1,
    form: str = "out",
    base_temperature: float | None = None,
) -> Tensor:
    r"""SupCon: NT-Xent in which all views of all samples of one's own class are positives.

    With `z = concat(z1, z2)`, rows L2-normalized, `P(i)` the other rows of the sample or of its class, and
    `log p_ij = z_i.z_j / T - log sum_{k != i} exp(z_i.z_k / T)`:

    - "out": `-mean_i mean_{j in P(i)} log p_ij`, the mean of log-probabilities;
    - "in": `-mean_i log mean_{j in P(i)} p_ij`, which is never larger (Jensen) and which the paper finds worse.

    Where nobody shares a label, both are NT-Xent. Chance value: `log(2N - 1)`. With C equal classes of N / C samples,
    perfect clusters still give about `log(2N / C)`: their members are told apart no more.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        labels: integers `[N]`. A negative label (-1) is no label: such a sample has its own other view as its only
            positive, and is a negative of all others.
        temperature: T > 0. Defaults to `0.1`, the paper's.
        form: "out" (default) or "in".
        base_temperature: if given, the loss is multiplied by `temperature / base_temperature`, as in the authors' code
            (there 0.07). None (default) is the paper's formula, without a factor.

    Returns:
        A scalar.

    Raises:
        ValueError: if a temperature is not positive, `form` unknown, or `labels` are not integers `[N]`.

    Reference:
        Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020.
    """
    check_sup_con(temperature, form, base_temperature)
    labels = keras.ops.convert_to_tensor(labels)
    if "int" not in keras.backend.standardize_dtype(labels.dtype) or len(labels.shape) != 1:
        raise ValueError(
            "`labels` must be integers [N]. "
            f"Received: labels of type {keras.backend.standardize_dtype(labels.dtype)}, shape {tuple(labels.shape)}"
        )
    pairs = view_similarities(z1, z2)
    logits = pairs.cosines / temperature
    both = keras.ops.concatenate([labels, labels], axis=0)
    labelled = keras.ops.expand_dims(both >= 0, 1)
    same_class = keras.ops.logical_and(equal_pairs(both), labelled)
    # Class-mates and the own other view; the row itself has no say, neither above nor below.
    positive = keras.ops.logical_or(same_class, pairs.same_sample)
    positive = keras.ops.logical_and(positive, keras.ops.logical_not(pairs.oneself))
    mask = keras.ops.cast(positive, logits.dtype)
    count = keras.ops.sum(mask, axis=1)
    everything = log_sum_exp(logits, excluded=pairs.oneself)
    if form == "out":
        attraction = keras.ops.sum(mask * logits, axis=1) / count
    else:
        attraction = log_sum_exp(logits, excluded=keras.ops.logical_not(positive)) - keras.ops.log(count)
    scale = 1.0 if base_temperature is None else temperature / base_temperature
    return scale * keras.ops.mean(everything - attraction)


def check_sup_con(temperature: float, form: str, base_temperature: float | None) -> None:
    """Raises a `ValueError` where a setting of the loss is out of range."""
    check_positive("temperature", temperature)
    if form not in FORMS:
        raise ValueError(f"`form` must be one of {FORMS}. Received: form={form!r}")
    if base_temperature is not None:
        check_positive("base_temperature", base_temperature)
