"""Smaller learning rates for earlier layers: what each variable's rate is multiplied by."""

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["layer_wise_decay"]


def layer_wise_decay(blocks: Sequence[Any], decay: float = 0.75) -> dict[str, float]:
    """Learning-rate multipliers by the depth of a variable, for fine-tuning of a pre-trained encoder.

        multiplier of block i of L = decay ** (L - 1 - i),  i = 0 ... L - 1

    So the last block, the new head, has 1, the one before it `decay`, and the first, the embedding, the least.

    Args:
        blocks: layers, models, or lists of layers or variables, in order from the input to the output. For a
            transformer: the patch embedding, each block, then the last norm together with the head.
        decay: in (0, 1]; 1 treats all layers alike. Papers use 0.65 for ViT-B, 0.75 for ViT-L. Defaults to 0.75.

    Returns:
        The multiplier by the variable's `path`, of all trainable variables, which `LayerWiseRates` applies. A variable
        that several blocks share has that of the first.

    Raises:
        ValueError: if there is no block, a block has no variables at all, `decay` is out of range, or two variables
            have one path.

    Example:

    >>> layers = [keras.layers.Dense(2, name=name) for name in ("stem", "body", "head")]
    >>> for layer in layers:
    ...     layer.build((None, 2))
    >>> rates = layer_wise_decay(layers, decay=0.5)
    >>> rates["stem/kernel"], rates["body/kernel"], rates["head/bias"]
    (0.25, 0.5, 1.0)

    Reference: Clark et al., "ELECTRA: pre-training text encoders as discriminators rather than generators", ICLR 2020,
    https://arxiv.org/abs/2003.10555; Bao et al., "BEiT: BERT pre-training of image transformers", ICLR 2022.
    """
    if isinstance(decay, bool) or not isinstance(decay, int | float) or not (0.0 < decay <= 1.0) or math.isnan(decay):
        raise ValueError(f"`decay` must lie in (0, 1]. Received: decay={decay!r}")
    blocks = list(blocks)
    if not blocks:
        raise ValueError("`blocks` must hold a block or more. Received: blocks=[]")
    multipliers: dict[str, float] = {}
    owners: dict[str, Any] = {}
    for depth, block in enumerate(blocks):
        variables = _variables(block)
        if not variables:
            raise ValueError(f"`blocks` must have variables: build the model first. Received: blocks={block!r}")
        for variable in variables:
            if not variable.trainable:
                continue
            if owners.setdefault(variable.path, variable) is not variable:
                raise ValueError(
                    f"`blocks` must have one variable for each path. Received: blocks={variable.path!r} twice"
                )
            multipliers.setdefault(variable.path, float(decay) ** (len(blocks) - 1 - depth))
    return multipliers


def _variables(block: Any) -> list[Any]:
    """The variables of a layer, of a variable itself, or of a list of both."""
    if isinstance(block, list | tuple):
        return [variable for part in block for variable in _variables(part)]
    if hasattr(block, "variables"):
        return list(block.variables)
    if hasattr(block, "path"):
        return [block]
    raise ValueError(f"`blocks` must be layers, variables or lists of them. Received: blocks={block!r}")
