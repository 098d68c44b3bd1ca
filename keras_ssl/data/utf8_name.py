"""Names of files and classes as text that every file format can hold."""


def utf8_name(name: str) -> str:
    r"""A name as text that UTF-8 can hold: bytes that are no UTF-8 become `\x..`, as Python writes them.

    The name of a file is a row of bytes, and Python keeps those that are no UTF-8 as lone surrogates. JSON, TFRecords,
    event files and pages cannot hold these. All that the library writes, and the names of classes, go through here. The
    paths of files stay as they are, or they could not be opened.

    Args:
        name: any text.

    Returns:
        The same text where it can be encoded.

    Example:

    >>> utf8_name("caf\udce9")  # a folder that was named in Latin-1
    'caf\\xe9'
    """
    if name.isascii():
        return name
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that no file name has
        return name.encode("utf-8", "backslashreplace").decode("utf-8")
