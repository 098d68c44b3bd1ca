"""From images of many channels to tokens of groups of channels."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.token_sequence import sincos_positions
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


def check_channel_groups(groups: Any) -> tuple[tuple[int, ...], ...]:
    """Groups of channel numbers as tuples, if each of the channels from 0 on stands in exactly one.

    Raises:
        ValueError: if not.
    """
    lists = isinstance(groups, Sequence) and not isinstance(groups, str)
    if lists and groups and all(isinstance(group, Sequence) and not isinstance(group, str) for group in groups):
        numbers = [number for group in groups for number in group]
        whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
        if whole and all(groups) and sorted(numbers) == list(range(len(numbers))):
            return tuple(tuple(group) for group in groups)
    raise ValueError(
        "`channel_groups` must be lists of channel numbers, each channel from 0 on in exactly one. "
        f"Received: channel_groups={groups!r}"
    )


@keras.saving.register_keras_serializable(package="keras_ssl")
class GroupTokens(keras.layers.Layer):
    """Makes a token of each patch of each group of channels, with embeddings of its place and of its group.

    Each group has a linear map of its own from the pixels of a patch. Places have fixed sines and cosines (see
    `sincos_positions`), groups a learned vector each; both are added. A learned class token comes first, where there is
    one.

    Args:
        channel_groups: lists of channel numbers, each channel from 0 on in exactly one.
        patch_size: side of a patch in pixels.
        width: width of a token, a multiple of 4.
        class_token: whether there is a class token. Defaults to True.
        **kwargs: `name`, `dtype`.

    Input: square images `[N, S, S, C]`, S a multiple of the patch size. Output: `[N, G * T, width]`, one more with a
    class token: group by group, in each the patches row by row.

    Raises:
        ValueError: if an argument is out of range, or images do not fit.

    Example:

    >>> tuple(GroupTokens([[0, 1], [2]], patch_size=4, width=8)(keras.ops.zeros((2, 8, 8, 3))).shape)
    (2, 9, 8)
    """

    def __init__(
        self,
        channel_groups: Sequence[Sequence[int]],
        patch_size: int,
        width: int,
        class_token: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channel_groups = check_channel_groups(channel_groups)
        self.patch_size = check_integer("patch_size", patch_size, 1)
        self.width = check_integer("width", width, 4)
        self.has_class_token = bool(class_token)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        _, height, width, channels = input_shape
        wanted = sum(len(group) for group in self.channel_groups)
        if channels != wanted or height is None or height != width or height % self.patch_size:
            raise ValueError(
                f"Images must be square, with {wanted} channels and a side that is a multiple of {self.patch_size}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.patches = height // self.patch_size
        self.embeddings = []
        for number, group in enumerate(self.channel_groups, start=1):
            layer = keras.layers.Dense(
                self.width, kernel_initializer=SmallNormal(), dtype=self.dtype_policy, name=f"group{number}"
            )
            layer.build((None, None, self.patch_size**2 * len(group)))
            self.embeddings.append(layer)
        self.group_embedding = self.add_weight(
            name="group_embedding", shape=(len(self.channel_groups), self.width), initializer=SmallNormal()
        )
        self.class_token = None
        if self.has_class_token:
            self.class_token = self.add_weight(name="class_token", shape=(1, self.width), initializer=SmallNormal())

    def call(self, images: Tensor) -> Tensor:
        ops, parts = keras.ops, group_patches(images, self.channel_groups, self.patch_size)
        positions = ops.convert_to_tensor(sincos_positions(self.patches, self.width)[1:])
        tokens = []
        for number, (layer, part) in enumerate(zip(self.embeddings, parts, strict=True)):
            x = layer(part)
            place = positions + ops.cast(self.group_embedding[number], positions.dtype)
            tokens.append(ops.cast(ops.cast(x, positions.dtype) + place, x.dtype))
        if self.class_token is not None:
            own = ops.cast(self.class_token, tokens[0].dtype)
            tokens = [ops.broadcast_to(own, (ops.shape(images)[0], 1, self.width)), *tokens]
        return ops.concatenate(tokens, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        patches = (input_shape[1] or 0) // self.patch_size
        return (input_shape[0], int(self.has_class_token) + len(self.channel_groups) * patches**2, self.width)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channel_groups": [list(group) for group in self.channel_groups],
            "patch_size": self.patch_size,
            "width": self.width,
            "class_token": self.has_class_token,
        }


def group_patches(images: Tensor, channel_groups: Sequence[Sequence[int]], patch_size: int) -> list[Tensor]:
    """The pixels of each patch, row by row, for each group of channels: `[N, T, patch_size^2 * len(group)]` each."""
    ops, side = keras.ops, patch_size
    rows, columns, channels = images.shape[1] // side, images.shape[2] // side, images.shape[3]
    cut = images[:, : rows * side, : columns * side]
    cut = ops.transpose(ops.reshape(cut, (-1, rows, side, columns, side, channels)), (0, 1, 3, 2, 4, 5))
    cut = ops.reshape(cut, (-1, rows * columns, side**2, channels))
    return [
        ops.reshape(
            ops.concatenate([cut[..., channel : channel + 1] for channel in group], axis=-1),
            (-1, rows * columns, side**2 * len(group)),
        )
        for group in channel_groups
    ]


def merged_patches(
    parts: Sequence[Tensor], channel_groups: Sequence[Sequence[int]], patch_size: int, grid: tuple[int, int]
) -> Tensor:
    """The images `[N, H, W, C]` whose `group_patches` are `parts`; `grid` is (rows, columns) of the patches."""
    ops, side, (rows, columns) = keras.ops, patch_size, grid
    maps: dict[int, Tensor] = {}
    for part, group in zip(parts, channel_groups, strict=True):
        pixels = ops.reshape(part, (-1, rows, columns, side, side, len(group)))
        pixels = ops.reshape(ops.transpose(pixels, (0, 1, 3, 2, 4, 5)), (-1, rows * side, columns * side, len(group)))
        maps |= {channel: pixels[..., place : place + 1] for place, channel in enumerate(group)}
    return ops.concatenate([maps[channel] for channel in sorted(maps)], axis=-1)
