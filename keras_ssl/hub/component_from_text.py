"""Things of the library, named with their arguments on one line."""

import re
from typing import Any

from keras_ssl.hub.components import check_keys, component
from keras_ssl.hub.parse_text import ODD_VALUES, reason, shown_path
from keras_ssl.hub.recipe import parse_setting


def component_from_text(section: str, text: str, **given: Any) -> Any:
    """What a section of a recipe would make, from one line such as "ResNet depth=18 stem=cifar".

    Args:
        section: "encoder" or "objective", as in a recipe.
        text: the name, then settings `key=value`, with values as in a recipe's overrides.
        **given: further arguments.

    Raises:
        ValueError: if the text names nothing known, has a setting that it does not know, or a value is out of range.

    Example:

    >>> component_from_text("encoder", "ConvNet widths=[4,8]").output_shape
    (None, 8)
    """
    name, *settings = re.split(r"\s+(?=\w+\s*=)", text.strip())
    table: dict[str, Any] = {"name": name}
    for setting in settings:
        _, key, value = parse_setting(f"{section}.{setting}")
        table[key] = value
    check_keys(section, table)
    target: Any = component(section, table).target
    arguments = {key: value for key, value in table.items() if key != "name"}
    try:
        return target(**arguments, **given)
    except ODD_VALUES as error:
        raise ValueError(f"In {shown_path(text)}: {reason(error)}") from error
