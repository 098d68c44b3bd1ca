"""The one error of downloads."""


class DownloadError(OSError):
    """A file of the zoo cannot be had, or the cache cannot take it.

    The message names the file, the addresses in the order in which they were tried, what each gave instead, and
    what to do.

    Example:

    ```python
    try:
        path = keras_ssl.hub.fetch(file)
    except keras_ssl.hub.DownloadError as error:
        print(error)
    ```
    """


class SourceError(Exception):
    """One address does not give the file; the next may."""
