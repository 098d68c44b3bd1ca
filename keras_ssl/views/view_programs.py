"""Views as several small XLA programs: how TensorFlow makes them outside of a compiled step."""

import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import tensorflow as tf

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.compose import Compose
from keras_ssl.views.functional.separable import local_sums
from keras_ssl.views.multi_view import MultiView
from keras_ssl.views.view import View, to_unit_float
from keras_ssl.views.view_list import ViewList

# So many bytes of float32 images pass through a pipeline at a time. With what it needs between, that stays in a
# processor's caches, and in memory that the allocator keeps: larger pieces it takes from the system at every call.
_CHUNK_BYTES = 2_500_000


class ViewPrograms:
    """A view, compiled by XLA in parts; fastest inside of a `tf.function`.

    The result is the view's, to rounding. One program for everything would be the slowest way on a CPU, so:

    - each pipeline of a `MultiView` has programs of its own, and pipelines that are one object share them: SimCLR's two
      views are compiled once, SwAV's eight as two;
    - a pipeline is cut where a view sums over neighbors (a crop, a blur), because XLA would compute again what lies
      before it for each of them. So such sums can be taken over the pixels that count alone. It is also cut where two
      pipelines that begin with the same objects part: BYOL's differ only at their ends;
    - the batch goes through in chunks that fit into the caches. A batch of another size needs no new program then,
      unless it is smaller than a chunk.

    On a GPU there is one chunk, and no sums. A view of several results that is not a `MultiView` is one program.

    Args:
        view: the view; parts of it without `supports_jit` are run as they are.
        before: what turns the images into float32 ones; default `to_unit_float`.
        on_cpu: whether the programs run on a CPU; default None: if TensorFlow sees no GPU.
    """

    def __init__(
        self, view: View, before: Callable[[Tensor], Tensor] = to_unit_float, on_cpu: bool | None = None
    ) -> None:
        self._before = before
        self._on_cpu = not tf.config.list_logical_devices("GPU") if on_cpu is None else on_cpu
        pipelines = view.views if _is_plain(view, MultiView) else [view]
        self._in_chunks = self._on_cpu and not view.whole_batch and not any(made.makes_list for made in pipelines)
        leaves = [_leaves(pipeline) for pipeline in pipelines]
        self._programs: dict[tuple[int, ...], Callable[..., Any]] = {}
        self._pipelines = [self._compiled(_parts(own, leaves)) for own in leaves]

    def __call__(self, images: Any, seed: Tensor, step: Tensor, positions: Tensor) -> list[Tensor]:
        """Applies the view.

        Args:
            images: array or tensor `[N, H, W, C]`; only N may be unknown. Or a tuple of them, one for each pipeline,
                whose sizes may differ.
            seed: integer or scalar tensor in [0, 2**32).
            step: integer or scalar tensor.
            positions: integer tensor `[N]`.

        Returns:
            What the view gives for the images and `Stream(seed, step, positions)`, always as a list.

        Raises:
            ValueError: as the view, and `to_unit_float`, do.
        """
        count = len(self._pipelines)
        given = list(images) if isinstance(images, tuple | list) else [tf.convert_to_tensor(images)] * count
        if len(given) != count:
            raise ValueError(
                f"Argument `images` must have a part for each of {count} pipelines. Received: {len(given)} parts"
            )
        parts = [tf.convert_to_tensor(part) for part in given]
        key = Stream(seed, step, positions).key
        # Of other shapes `before` says what is wrong with them.
        divisible = all(part.shape.rank == 4 and None not in part.shape[1:] for part in parts)
        make = self._chunked if self._in_chunks and divisible else self._whole
        return make(parts, key, positions)

    def _compiled(self, parts: list[list[View]]) -> list[Callable[..., Any]]:
        """The programs of a pipeline's parts."""
        programs = []
        for part in parts:
            first = part is parts[0]
            # Views are told apart by identity: to compare them, one would have to trust every user's `get_config`.
            key = (first, *map(id, part))
            if key not in self._programs:
                self._programs[key] = self._program(part, first)
            programs.append(self._programs[key])
        return programs

    def _program(self, views: Sequence[View], first: bool) -> Callable[..., Any]:
        """The views one after another; takes the number of the first draw, and gives that of the next one besides."""

        def program(images: Tensor, seed: Tensor, step: Tensor, positions: Tensor, draw: Tensor) -> Any:
            stream = Stream(seed, step, positions, first_draw=draw)
            made: Any = self._before(images) if first else images
            with local_sums() if self._on_cpu else contextlib.nullcontext():
                for view in views:
                    made = view.apply(made, stream)
            return made, stream.next_draw

        return tf.function(program, jit_compile=all(view.supports_jit for view in views), autograph=False)

    def _whole(self, parts: list[Tensor], key: tuple[Tensor, Tensor], positions: Tensor) -> list[Tensor]:
        draw = tf.zeros((), tf.uint32)
        results: list[Tensor] = []
        for pipeline, images in zip(self._pipelines, parts, strict=True):
            made = images
            for program in pipeline:
                made, draw = program(made, *key, positions, draw)
            results += made if isinstance(made, list | tuple) else [made]
        return results

    def _chunked(self, parts: list[Tensor], key: tuple[Tensor, Tensor], positions: Tensor) -> list[Tensor]:
        most = min(_chunk_size(images.shape) for images in parts)
        count = parts[0].shape[0]
        if count is None:
            total = tf.shape(parts[0])[0]
            size = tf.minimum(most, total)
            chunks = tf.maximum(1, (total + size - 1) // tf.maximum(size, 1))
        else:
            if count <= most:
                return self._whole(parts, key, positions)
            total, chunks = count, math.ceil(count / most)
            size = math.ceil(count / chunks)
        shapes: list[Any] = []

        def chunk(number: Tensor, *arrays: tf.TensorArray) -> tuple[Any, ...]:
            # The last chunk is as large as the others and makes some images again: another size is another program.
            start = tf.minimum(number * size, total - size)
            pieces = [tf.slice(images, [start, 0, 0, 0], [size, *images.shape[1:]]) for images in parts]
            made = self._whole(pieces, key, tf.slice(positions, [start], [size]))
            shapes[:] = [result.shape for result in made]
            new = number * size - start
            return (
                number + 1,
                *(array.write(number, result[new:]) for array, result in zip(arrays, made, strict=True)),
            )

        arrays = [tf.TensorArray(tf.float32, chunks, infer_shape=False) for _ in self._pipelines]
        _, *arrays = tf.while_loop(lambda number, *_: number < chunks, chunk, (tf.constant(0), *arrays))
        results = [array.concat() for array in arrays]
        return [tf.ensure_shape(result, [count, *shape[1:]]) for result, shape in zip(results, shapes, strict=True)]


def _is_plain(view: View, base: type[ViewList]) -> TypeGuard[ViewList]:
    """Whether a view is a list of views that is applied as `base` does it: a subclass may do otherwise."""
    return isinstance(view, base) and type(view).apply is base.apply


def _leaves(pipeline: View) -> list[View]:
    """A pipeline's views in order, none of them a plain `Compose`."""
    if not _is_plain(pipeline, Compose):
        return [pipeline]
    return [leaf for view in pipeline.views for leaf in _leaves(view)]


def _parts(views: list[View], others: Sequence[list[View]]) -> list[list[View]]:
    """Views cut before those that sum over neighbors, where compilation begins or ends, and where other views that
    begin alike go on differently."""
    alike = {sum(1 for _ in itertools.takewhile(_same, zip(views, other, strict=False))) for other in others}
    parts = [[views[0]]]
    for place, (before, view) in enumerate(itertools.pairwise(views), start=1):
        if view.sums_neighbors or view.supports_jit != before.supports_jit or place in alike:
            parts.append([])
        parts[-1].append(view)
    return parts


def _same(pair: tuple[View, View]) -> bool:
    return pair[0] is pair[1]


def _chunk_size(shape: tf.TensorShape) -> int:
    """The largest power of two of images of this shape that a chunk holds: most batches are a multiple of it."""
    return 2 ** max(0, int(math.log2(max(1.0, _CHUNK_BYTES / (4 * math.prod(shape[1:]))))))
