"""Well-known encoders that the zoo has no entry of: why, and what comes nearest."""

import re

_DINOV3 = (
    "DINOv3's files are given out on request, under the DINOv3 License. Who has one reads it by "
    "keras_ssl.hub.load_checkpoint into a {encoder}."
)
_EUPE = (
    "EUPE's files are under the FAIR Research License, which forbids commercial use, and nobody pins their addresses. "
    "Who has one reads it by keras_ssl.hub.load_checkpoint into a {encoder}."
)
_FAMILIES = {"dinov3": _DINOV3, "eupe": _EUPE}
_NEAREST = {"t": "lingbot_vits16", "s": "lingbot_vits16", "b": "lingbot_vitb16", "l": "lingbot_vitl16"}
_NAME = re.compile(r"(dinov3|eupe)[_-](?:(vit)[_-]?(\w)|(convnext)).*", re.IGNORECASE)


def why_not_shipped(name: str) -> str:
    """Sentences for a name of a family whose weights cannot be had freely, with the nearest open entry; else "".

    Example:

    >>> why_not_shipped("simclr_resnet50")
    ''
    >>> why_not_shipped("dinov3_vitb16")[-37:]
    'The nearest open one: lingbot_vitb16.'
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return ""
    family, is_vit, size, _ = match.groups()
    encoder = "RotaryViT" if is_vit else "ConvNeXt"
    # The open convolutional encoders of like width are ResNets.
    nearest = _NEAREST.get(size.lower(), "lingbot_vitg16") if is_vit else "openmmlab_spark_resnet50"
    return f"{_FAMILIES[family.lower()].format(encoder=encoder)} The nearest open one: {nearest}."
