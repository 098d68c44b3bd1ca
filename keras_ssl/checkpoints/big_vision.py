"""The image towers of big_vision (SigLIP, SigLIP 2) under the names of timm."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import CheckpointError
from keras_ssl.checkpoints.weight_problems import weight_problems

_SCANNED = "Transformer/encoderblock/"
_ATTENTION = "MultiHeadDotProductAttention_0"
_MLP = "MlpBlock_0"


def is_big_vision(tree: Any) -> bool:
    """Whether what a file holds are the arrays of a vision transformer of big_vision."""
    return isinstance(tree, Mapping) and any(str(key).endswith("Transformer/encoder_norm/scale") for key in tree)


def from_big_vision(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of a big_vision image tower under timm's names and in PyTorch's layout, for `vit_table`.

    Of a file with two towers the image's is taken (`img/`), behind `params/` or not; text tower, temperature and bias
    are left out. Blocks may be stacked, as `scan` leaves them, or numbered. Queries, keys and values become one map;
    the query of the attention pooling, which is a linear map of a learned probe, is computed once.

    Args:
        arrays: by big_vision's names, such as `img/Transformer/encoderblock/LayerNorm_0/scale`.

    Returns:
        Arrays by timm's names, such as `blocks.0.norm1.weight`.

    Raises:
        CheckpointError: if an array is missing, or one is left over.

    Example:

        weights = from_big_vision(read_npz("siglip2_b16_224.npz"))

    Reference: https://github.com/google-research/big_vision/blob/main/big_vision/models/vit.py
    """
    tower = _Tower(arrays)
    made = {
        "norm.weight": tower.take("Transformer/encoder_norm/scale"),
        "norm.bias": tower.take("Transformer/encoder_norm/bias"),
        "patch_embed.proj.weight": tower.take("embedding/kernel", 4).transpose(3, 2, 0, 1),
        "patch_embed.proj.bias": tower.take("embedding/bias"),
        "pos_embed": tower.take("pos_embedding"),
    }
    for number in range(tower.depth):
        made |= _block(tower, number)
    if tower.has("MAPHead_0/probe"):
        made |= _pool(tower)
    tower.check_all_taken()
    return made


class _Tower:
    """Arrays by their names in the image tower, each of which is taken once."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        whole = {key.removeprefix("params/"): array for key, array in arrays.items()}
        prefix = "img/" if any(key.startswith("img/") for key in whole) else ""
        self._left = {key.removeprefix(prefix): array for key, array in whole.items() if key.startswith(prefix)}
        numbers = {key.split("/")[1] for key in self._left if key.startswith("Transformer/encoderblock_")}
        scanned = next((array for key, array in self._left.items() if key.startswith(_SCANNED)), None)
        self.scanned = scanned is not None
        self.depth = len(numbers) if scanned is None else len(scanned) if scanned.ndim else 0
        self._stacks = {key: array for key, array in self._left.items() if key.startswith(_SCANNED)}
        if self.scanned:
            self._left = {key: array for key, array in self._left.items() if key not in self._stacks}
        self._used: set[str] = set()

    def has(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, rank: int | None = None) -> np.ndarray:
        array = self._left.pop(name, None)
        return self._checked(name, array, rank)

    def of_block(self, number: int, name: str, rank: int) -> np.ndarray:
        """An array of a block, of its stack or under its number."""
        if not self.scanned:
            return self.take(f"Transformer/encoderblock_{number}/{name}", rank)
        stack = self._stacks.get(_SCANNED + name)
        self._used.add(_SCANNED + name)
        if stack is not None and (stack.ndim != rank + 1 or len(stack) != self.depth):
            raise CheckpointError(f"The stacked array {name} has the shape {stack.shape}, for {self.depth} blocks.")
        return self._checked(_SCANNED + name, None if stack is None else stack[number], rank)

    def _checked(self, name: str, array: np.ndarray | None, rank: int | None) -> np.ndarray:
        if array is None or (rank is not None and array.ndim != rank):
            problem = "missing" if array is None else f"of shape {array.shape}"
            raise CheckpointError(f"The file's weights are not those of a big_vision tower; {problem}: {name}.")
        return array

    def check_all_taken(self) -> None:
        left = [*self._left, *(set(self._stacks) - self._used)]
        if left:
            raise CheckpointError(
                f"The file's tower has more than a vision transformer; {weight_problems({'extra': sorted(left)})}."
            )


def _block(tower: _Tower, number: int) -> dict[str, np.ndarray]:
    def of(name: str, rank: int) -> np.ndarray:
        return tower.of_block(number, name, rank)

    made: dict[str, np.ndarray] = {}
    for ours, theirs in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_1")):
        made |= {f"{ours}.weight": of(f"{theirs}/scale", 1), f"{ours}.bias": of(f"{theirs}/bias", 1)}
    parts = [_linear(of(f"{_ATTENTION}/{part}/kernel", 3), of(f"{_ATTENTION}/{part}/bias", 2)) for part in _QKV]
    made["attn.qkv.weight"] = np.concatenate([weight for weight, _ in parts])
    made["attn.qkv.bias"] = np.concatenate([bias for _, bias in parts])
    made["attn.proj.weight"] = _out(of(f"{_ATTENTION}/out/kernel", 3))
    made["attn.proj.bias"] = of(f"{_ATTENTION}/out/bias", 1)
    for ours, theirs in (("mlp.fc1", "Dense_0"), ("mlp.fc2", "Dense_1")):
        made |= {f"{ours}.weight": of(f"{_MLP}/{theirs}/kernel", 2).T, f"{ours}.bias": of(f"{_MLP}/{theirs}/bias", 1)}
    return {f"blocks.{number}.{key}": array for key, array in made.items()}


def _pool(tower: _Tower) -> dict[str, np.ndarray]:
    def of(name: str, rank: int) -> np.ndarray:
        return tower.take(f"MAPHead_0/{name}", rank)

    query, key, value = (
        _linear(of(f"{_ATTENTION}/{part}/kernel", 3), of(f"{_ATTENTION}/{part}/bias", 2)) for part in _QKV
    )
    probe = of("probe", 3).reshape(-1)
    made = {
        "query": (query[0].astype("float64") @ probe + query[1]).astype(probe.dtype),
        "k.weight": key[0],
        "k.bias": key[1],
        "v.weight": value[0],
        "v.bias": value[1],
        "proj.weight": _out(of(f"{_ATTENTION}/out/kernel", 3)),
        "proj.bias": of(f"{_ATTENTION}/out/bias", 1),
        "norm.weight": of("LayerNorm_0/scale", 1),
        "norm.bias": of("LayerNorm_0/bias", 1),
    }
    for ours, theirs in (("mlp.fc1", "Dense_0"), ("mlp.fc2", "Dense_1")):
        made |= {f"{ours}.weight": of(f"{_MLP}/{theirs}/kernel", 2).T, f"{ours}.bias": of(f"{_MLP}/{theirs}/bias", 1)}
    return {f"attn_pool.{key}": array for key, array in made.items()}


_QKV = ("query", "key", "value")


def _linear(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A map `[D, heads, depth]` to heads as PyTorch's weight `[heads * depth, D]`, and its bias."""
    return kernel.reshape(len(kernel), -1).T, bias.reshape(-1)


def _out(kernel: np.ndarray) -> np.ndarray:
    """The map `[heads, depth, D]` from heads as PyTorch's weight `[D, heads * depth]`."""
    return kernel.reshape(-1, kernel.shape[-1]).T
