"""Names of files from names of classes."""

import re


def snake_case(name: str) -> str:
    """`FooBar` as `foo_bar`; a version stays with its word: `SimMatchV2` is `sim_match_v2`, `DINOv2` `dinov2`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]v\d)", "_", name).lower()
