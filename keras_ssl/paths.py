"""Paths as users write them."""

import os


def user_path(path: str | os.PathLike[str]) -> str:
    """A path whose leading `~` or `~user` is the home folder, as in a shell; other paths are as they are.

    Shells expand it in few places (not in `--logdir=~/runs`), and a folder called `~` is hardly ever meant. Where the
    home folder is not known the path stays as it is.

    Args:
        path: a file or folder.

    Example:

    >>> user_path("runs/~1")
    'runs/~1'
    """
    return os.path.expanduser(os.fspath(path))
