"""Weights that may not be used for everything are not loaded unasked."""

from keras_ssl.hub.card import Card


def is_non_commercial(card: Card) -> bool:
    """Whether the license of an entry's weights forbids commercial use, by its SPDX name.

    Example:

    >>> from keras_ssl.hub.catalogue import find
    >>> is_non_commercial(find("barlow_digits").read_card())
    False
    """
    return "NC" in card.license.upper().split("-")


def check_license(card: Card, accept_license: str | None) -> None:
    """Raises where an entry's weights are for non-commercial use only and the caller has not accepted that.

    Args:
        card: of the entry.
        accept_license: the license that the caller accepts, by its SPDX name, or None.

    Raises:
        ValueError: if the card's license is a non-commercial one and `accept_license` is not its name; the message
            says what to type.
    """
    if is_non_commercial(card) and accept_license != card.license:
        raise ValueError(
            f"The publisher of {card.name!r} licenses its weights under {card.license}: they may not be used "
            "commercially. If your use is allowed, load them with "
            f'accept_license="{card.license}". Received: accept_license={accept_license!r}'
        )
