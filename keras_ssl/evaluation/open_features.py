"""Features on disk as one array: a file, or a folder of shards, that is read where it is asked for."""

import json
import os
import struct
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.paths import user_path

__all__ = ["FeatureSet", "open_features"]

MANIFEST = "embedding.json"
SHARD = "features-{:05d}-of-{:05d}.npz"
_LOCAL = struct.Struct("<26x2H")  # a zip member's header; its name and an extra field follow
_OPEN = 64  # files mapped at a time: systems allow about a thousand


class FeatureSet:
    """Features of many samples, `[N, D]`, in one or more .npz files; none of it is in memory until it is asked for.

    `features[3]`, `features[10:20]` and `features[[7, 1]]` read rows, float32. `numpy.asarray(features)` reads all, so
    that the functions of `keras_ssl.evaluation` take it as they take an array; `find_neighbors` and
    `find_duplicates` read it in blocks.

    Args:
        paths: the files, in order.

    Attributes:
        paths: as given.
        shape: `(N, D)`.
        dtype, ndim, size: as of an array.

    Raises:
        ValueError: if a file is damaged, or holds no features with a name for each.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "features.npz")
    >>> np.savez(path, features=np.eye(3, 4, dtype="float32"), names=["a.jpg", "b.jpg", "c.jpg"])
    >>> features = FeatureSet([path])
    >>> features.shape, features.names[1], features[1].tolist()
    ((3, 4), 'b.jpg', [0.0, 1.0, 0.0, 0.0])
    """

    ndim = 2
    dtype = np.dtype("float32")

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        members = [_layout(path) for path in paths]
        self._layouts = [member["features"] for member in members]
        self._labelled = all("labels" in member for member in members)
        self._numbered = all("numbers" in member for member in members)
        widths = {shape[1] for _, shape, _ in self._layouts if shape[0]}
        if len(widths) != 1:
            found = f"widths {sorted(widths)}" if widths else "no rows"
            raise ValueError(
                f"`features` must hold rows of one width. Received: features={str(paths[0])!r} and others with {found}"
            )
        counts = [shape[0] for _, shape, _ in self._layouts]
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts
        self.shape = (int(self._ends[-1]), widths.pop())
        self.size = self.shape[0] * self.shape[1]
        self._mapped = lru_cache(_OPEN)(self._map)
        self._names_of = lru_cache(_OPEN)(lambda shard: self._read(shard, "names"))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            return self._run(start, max(start, stop))
        if isinstance(rows, int | np.integer):
            return self[[rows]][0]
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else self._numbers_of(np.asarray(rows))
        found = np.empty((len(numbers), self.shape[1]), np.float32)
        shards = self._shard_of(numbers)
        for shard in np.unique(shards):
            places = np.flatnonzero(shards == shard)
            found[places] = self._mapped(shard)[numbers[places] - self._starts[shard]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Features in files cannot be an array without a copy. Received: copy=False")
        return self._run(0, len(self)).astype(np.float32 if dtype is None else dtype, copy=False)

    def name(self, row: int) -> str:
        """What row `row` is the features of."""
        row = range(len(self))[row]
        shard = int(self._shard_of(np.array([row]))[0])
        return str(self._names_of(shard)[row - self._starts[shard]])

    @property
    def names(self) -> list[str]:
        """The names of all rows."""
        return [str(name) for shard in range(len(self.paths)) for name in self._read(shard, "names")]

    @property
    def labels(self) -> np.ndarray | None:
        """The classes of all rows, `[N]`, or None where the data had none."""
        return self._all("labels") if self._labelled else None

    @property
    def numbers(self) -> np.ndarray:
        """The rows' numbers in the data, int64 `[N]`: rows of images that could not be decoded are missing."""
        return self._all("numbers") if self._numbered else np.arange(len(self))

    def verify(self) -> None:
        """Reads all files, and compares their checksums.

        Raises:
            ValueError: if one is damaged.
        """
        for path in self.paths:
            check_shard(path)

    def _numbers_of(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers of an index as NumPy takes it: a mask, or integers of which negative ones count from the end."""
        if rows.dtype == bool:
            return np.arange(len(self))[rows]
        if rows.size and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise IndexError(
                f"Rows must be from 0 to {len(self) - 1}. Received: rows from {rows.min()} to {rows.max()}"
            )
        return np.where(rows < 0, rows + len(self), rows).astype(np.int64)

    def _run(self, start: int, stop: int) -> np.ndarray:
        found = np.empty((stop - start, self.shape[1]), np.float32)
        for shard in range(len(self.paths)):
            low, high = max(start, int(self._starts[shard])), min(stop, int(self._ends[shard]))
            if low < high:
                origin = self._starts[shard]
                found[low - start : high - start] = self._mapped(shard)[low - origin : high - origin]
        return found

    def _shard_of(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._ends, rows, side="right")

    def _map(self, shard: int) -> np.ndarray:
        offset, shape, dtype = self._layouts[shard]
        return np.memmap(self.paths[shard], dtype, "r", offset, shape)

    def _all(self, member: str) -> np.ndarray:
        return np.concatenate([self._read(shard, member) for shard in range(len(self.paths))])

    def _read(self, shard: int, member: str) -> np.ndarray:
        with np.load(self.paths[shard], allow_pickle=False) as file:
            return file[member]


def open_features(path: str | os.PathLike[str], verify: bool = False) -> FeatureSet:
    """Opens what `keras_ssl.embed(model, data, out=path)` wrote.

    Args:
        path: an .npz file with `features` and `names`; or a folder of them, which is read in the order of the files'
            names. What one call of `embed` wrote, or several with parts of the shards, is complete or an error.
        verify: whether every byte is read and checked against its checksum. Defaults to False: the ends of the files
            are, which finds truncated ones.

    Returns:
        Features and names, in the order of the data.

    Raises:
        ValueError: if there are no such files, a shard is missing, damaged or of another embedding.

    Example:

    >>> import tempfile
    >>> images = np.zeros((5, 16, 16, 3), "uint8")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = keras_ssl.embed("barlow_digits", images, out=f"{folder}/features", shard_size=2)
    ...     features = open_features(f"{folder}/features")
    ...     print(features.shape, features.name(4), features[1:4].shape)
    (5, 128) 4 (3, 128)
    """
    place = Path(user_path(path))
    if place.is_dir():
        paths = _shards(place)
    elif place.is_file():
        paths = [place]
    else:
        raise ValueError(f"`features` must be a file or a folder that is there. Received: features={os.fspath(path)!r}")
    opened = FeatureSet(paths)
    if verify:
        opened.verify()
    return opened


def check_shard(path: Path, embedding: str | None = None) -> int:
    """The number of rows of a shard, all of which is read.

    Args:
        path: the file.
        embedding: of which it must be, as `read_manifest` identifies it. Defaults to None: any.

    Raises:
        ValueError: if it is damaged.
        LookupError: if it is of another embedding.
    """
    members = _layout(path)
    if embedding is not None and embedding_of(path) != embedding:
        raise LookupError(str(path))
    with zipfile.ZipFile(path) as archive:
        wrong = archive.testzip()
    if wrong is not None:
        raise ValueError(f"A file of features is damaged (the checksum of {wrong}). Received: features={str(path)!r}")
    return int(members["features"][1][0])


def embedding_of(path: Path) -> str:
    """What a shard says that it is of; nothing where it does not."""
    with np.load(path, allow_pickle=False) as file:
        return str(file["embedding"]) if "embedding" in file.files else ""


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What the shards of a folder are of, or None where nothing says it.

    Raises:
        ValueError: if the file is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        counts = {key: int(said[key]) for key in ("count", "shard_size")}
        return {**said, **counts, "embedding": str(said["embedding"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{MANIFEST} is damaged ({error!r}). Received: features={str(folder)!r}") from error


def shard_paths(folder: Path, count: int, shard_size: int) -> list[Path]:
    """The files of all shards of an embedding."""
    shards = -(-count // shard_size)
    return [folder / SHARD.format(shard, shards) for shard in range(shards)]


def _shards(folder: Path) -> list[Path]:
    said = read_manifest(folder)
    if said is None:
        paths = sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))
        if not paths:
            raise ValueError(f"`features` must be a folder of .npz files. Received: features={str(folder)!r}")
        return paths
    paths = shard_paths(folder, said["count"], said["shard_size"])
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(paths)} shards are missing, {missing[0]} first: the command that began them goes "
            f"on. Received: features={str(folder)!r}"
        )
    for path in paths:
        _layout(path)
        if embedding_of(path) != said["embedding"]:
            raise ValueError(f"A shard is of other data or another model. Received: features={str(path)!r}")
    return paths


def _layout(path: Path) -> dict[str, tuple[int, tuple[int, ...], np.dtype]]:
    """Where the numbers of each array begin in an .npz file, and the array's shape and type.

    Raises:
        ValueError: if it is no such file, or its arrays are no features with names.
    """
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            members = dict(_members(archive, file))
    except Exception as error:  # damage, another format: each layer has errors of its own
        raise ValueError(
            f"`features` must be an .npz file that `keras-ssl embed` wrote ({type(error).__name__}: {error}). "
            f"Received: features={str(path)!r}"
        ) from error
    features, names = (members.get(key, (0, (), np.dtype("V")))[1:] for key in ("features", "names"))
    if len(features[0]) != 2 or features[1].kind != "f" or names[0] != features[0][:1]:
        raise ValueError(
            "`features` must hold features [N, D] and a name for each row. "
            f"Received: features={str(path)!r} with {_counted(names[0])} names, features of shape {features[0]}"
        )
    return members


def _members(archive: zipfile.ZipFile, file: Any) -> Iterator[tuple[str, tuple[int, tuple[int, ...], np.dtype]]]:
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{member.filename} is compressed")
        file.seek(member.header_offset)
        begin = member.header_offset + _LOCAL.size + sum(_LOCAL.unpack(file.read(_LOCAL.size)))
        file.seek(begin)
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = header(file)
        if by_columns and len(shape) > 1 or dtype.hasobject:
            raise ValueError(f"{member.filename} is of another layout")
        size = file.tell() - begin + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if size != member.file_size:
            raise ValueError(f"{member.filename} has {member.file_size} bytes, and not {size}")
        yield member.filename.removesuffix(".npy"), (file.tell(), shape, dtype)


def _counted(shape: tuple[int, ...]) -> int:
    return shape[0] if shape else 0
