"""The image files below a folder, and what else is there."""

import os
from collections import Counter
from collections.abc import Iterator

from keras_ssl.data import dicom_image

PHOTOS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Files that go with images and were never meant as one.
_COMPANIONS = {
    *("", ".txt", ".md", ".rst", ".html", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".ini"),
    *(".cfg", ".log", ".db", ".py", ".ipynb", ".pdf", ".md5", ".sha256", ".lock"),
}


def image_extensions() -> tuple[str, ...]:
    """Extensions of the files that are read as images: DICOM's where pydicom is installed."""
    return PHOTOS + dicom_image.EXTENSIONS * dicom_image.pydicom_is_installed()


class ImageListing:
    """Walks through a folder once: `paths()` yields the image files, and notes what is left out.

    Args:
        root: the folder. Hidden files and folders are left out; links are followed.
        extensions: of the files that are listed, lower case. Defaults to None: those of images.

    Attributes (after `paths`):
        unused: number of files by extension, lower case, that are neither images that can be read nor companions of
            images such as texts and tables.
        circles: relative paths of links that lead in a circle.
    """

    def __init__(self, root: str, extensions: tuple[str, ...] | None = None) -> None:
        self.root = root
        self.extensions = image_extensions() if extensions is None else extensions
        self.unused: Counter[str] = Counter()
        self.circles: list[str] = []

    def paths(self, inside: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
        """Relative paths, with forward slashes, of the image files in the folder `inside` and below, sorted.

        Raises:
            ValueError: if a folder cannot be listed.
        """
        folder = os.path.join(self.root, inside)
        real = os.path.realpath(folder)
        if real in above:
            self.circles.append(inside.rstrip("/"))
            return
        try:
            with os.scandir(folder) as entries:
                names = [name for entry in entries if entry.name[0] != "." for name in self._name(entry, inside)]
        except OSError as error:
            raise ValueError(
                f"Argument `path` must be a folder that can be listed ({error.strerror}: {folder!r}). "
                f"Received: path={self.root!r}"
            ) from error
        names.sort()  # with the slash of a folder, so that the paths come sorted as whole texts
        for name in names:
            if name.endswith("/"):
                yield from self.paths(inside + name, (*above, real))
            elif name.lower().endswith(self.extensions):
                yield inside + name
            else:
                extension = os.path.splitext(name)[1].lower()
                if extension not in _COMPANIONS:
                    self.unused[extension] += 1

    def _name(self, entry: os.DirEntry[str], inside: str) -> Iterator[str]:
        """The entry's name, that of a folder with a slash; nothing for a link to itself, which is noted."""
        try:
            yield entry.name + "/" if entry.is_dir() else entry.name
        except OSError:  # "too many levels of symbolic links"
            self.circles.append(inside + entry.name)

    def folders(self) -> list[str]:
        """Names of the folders directly in the root, without links that lead in a circle."""
        names = []
        with os.scandir(self.root) as entries:
            for entry in entries:
                try:
                    if entry.is_dir() and not entry.name.startswith(".") and entry.name not in self.circles:
                        names.append(entry.name)
                except OSError:
                    continue  # noted by `paths` already
        return names
