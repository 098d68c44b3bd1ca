"""Which addresses may be downloaded from."""

import ipaddress
from urllib.parse import urlsplit


def is_allowed(url: str, plain: bool = True) -> bool:
    """Whether `url` is one of https, or of http on this machine itself.

    Args:
        url: the address. One that names a user or password is not allowed: it would end up in logs.
        plain: whether http is allowed on loopback.

    Example:

    >>> is_allowed("https://example.org/a"), is_allowed("http://example.org/a"), is_allowed("http://127.0.0.1:80/a")
    (True, False, True)
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 raises where it is no number
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or parts.password is not None:
        return False
    return parts.scheme == "https" or (plain and parts.scheme == "http" and is_loopback(url))


def is_loopback(url: str) -> bool:
    """Whether `url` leads to this machine, by `localhost` or an address such as 127.0.0.1."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(url: str) -> str:
    """An address for a message: without a query, which may hold a key, or a user's name and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return repr(url[:80])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:300]
