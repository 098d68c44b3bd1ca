"""One image file, read as those of a folder are."""

import os

import numpy as np

from keras_ssl.data.image_folder import ImageFolder
from keras_ssl.data.image_source import ImageSource
from keras_ssl.data.path_list import PathList
from keras_ssl.paths import user_path


class ImageFile(ImageFolder):
    """One image file, which becomes the pixels that `ImageFolder` makes of it, whatever its format and depth.

    Args:
        path: the file.
        size: as for `ImageFolder`.

    Raises:
        OSError: if it cannot be decoded, with the reason where there is one.
    """

    def __init__(self, path: str | os.PathLike[str], size: int) -> None:
        folder, name = os.path.split(os.path.abspath(user_path(path)))
        ImageSource.__init__(self, folder, size, max_damaged=1.0)
        self.exif_orientation = True
        self.unused: dict[str, int] = {}
        self.files = PathList([name])
        self._code(self.file_path(0), strict=True)
        self._keep_readable(None)

    def pixels(self) -> np.ndarray:
        """The image, uint8 `[size, size, 3]`.

        Raises:
            OSError: if it cannot be decoded.
        """
        batch = next(self.stream(np.arange(1), 1))
        if not batch.decoded.all():
            raise OSError("it cannot be decoded")
        return batch.images[0]
