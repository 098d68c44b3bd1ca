"""All names that a checkpoint's pickle may use, and the plain values that stand for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, RESAVE, CheckpointError, short
from keras_ssl.checkpoints.tensor_parts import BFLOAT16, rebuild_parameter, rebuild_tensor

_STORAGES = {
    "Float": "float32",
    "Half": "float16",
    "Double": "float64",
    "BFloat16": BFLOAT16,
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "Untyped": "uint8",
}
_DTYPES = (
    *("bfloat16", "bool", "complex128", "complex64", "double", "float", "float16", "float32", "float64"),
    *("half", "int", "int16", "int32", "int64", "int8", "long", "short", "uint8"),
)
_NUMPY_TYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class Instance:
    """What a pickle makes and then gives a state."""

    def set_state(self, state: Any) -> None:
        """Takes the state that the pickle gives."""
        raise NotImplementedError


class DictLike(Instance):
    """An `OrderedDict` or a `Namespace`: both become plain dicts.

    Args:
        items: what is in it.
        takes_state: whether its state is what it holds, as in a `Namespace`. An `OrderedDict`'s is dropped:
            PyTorch keeps the version numbers of modules there.
    """

    def __init__(self, items: dict[Any, Any], takes_state: bool) -> None:
        self.items = items
        self.takes_state = takes_state

    def set_state(self, state: Any) -> None:
        if type(state) is not dict:
            raise CheckpointError(f"A dictionary has {short(state)} for its attributes. {DAMAGED}")
        if self.takes_state:
            self.items = state


class NumpyType(Instance):
    """A NumPy dtype of numbers.

    Args:
        code: such as "f8".
    """

    def __init__(self, code: str) -> None:
        self.dtype = np.dtype(code)

    def set_state(self, state: Any) -> None:
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise CheckpointError(f"A NumPy dtype has the state {short(state)}. {DAMAGED}")
        self.dtype = self.dtype.newbyteorder(state[1])


@dataclass(frozen=True)
class Name:
    """A name that a pickle may use.

    Args:
        text: the name.
        function: what stands for its call, of the tuple of arguments; None where it cannot be called.
        maker: what stands for a new object of that class, or None.
        dtype: of a storage class, its elements' dtype.
        value: what the name itself stands for where it is a value, such as a dtype's name; else None.
    """

    text: str
    function: Callable[[tuple[Any, ...]], Any] | None = None
    maker: Callable[[], Any] | None = None
    dtype: str | None = None
    value: str | None = None

    def call(self, arguments: tuple[Any, ...]) -> Any:
        """The plain value that stands for the call with these arguments."""
        if self.function is None:
            raise CheckpointError(f"A pickle calls {self.text}. {RESAVE}")
        return self.function(arguments)

    def new(self) -> Any:
        """The plain object that stands for a new one of this class."""
        if self.maker is None:
            raise CheckpointError(f"A pickle makes an object of {self.text}. {RESAVE}")
        return self.maker()


def dict_key(key: Any) -> Any:
    """`key` where it is a string or an integer of 64 bits.

    Other keys are refused: hashing a deeply nested tuple overflows the interpreter's stack, and long integers
    can be chosen so that all hash alike.
    """
    if type(key) is str or (isinstance(key, int) and abs(key) < 2**63):
        return key
    raise CheckpointError(f"A dictionary has the key {short(key)}; only strings and integers are read. {RESAVE}")


def _ordered_dict(arguments: tuple[Any, ...]) -> DictLike:
    # Python 2 gives a list of pairs, Python 3 nothing.
    pairs = arguments[0] if len(arguments) == 1 else []
    if (
        len(arguments) > 1
        or type(pairs) is not list
        or not all(type(p) in (list, tuple) and len(p) == 2 for p in pairs)
    ):
        raise CheckpointError(f"An OrderedDict is made of what is not a list of pairs. {DAMAGED}")
    return DictLike({dict_key(key): value for key, value in pairs}, takes_state=False)


def _size(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(arguments) != 1 or type(arguments[0]) is not tuple:
        raise CheckpointError(f"A torch.Size is made of what is not one tuple. {DAMAGED}")
    return arguments[0]


def _device(arguments: tuple[Any, ...]) -> str:
    if not 1 <= len(arguments) <= 2 or not all(type(a) in (str, int) for a in arguments):
        raise CheckpointError(f"A torch.device is made of what is not a name and a number. {DAMAGED}")
    return ":".join(str(argument) for argument in arguments)


def _encode(arguments: tuple[Any, ...]) -> bytes:
    """How Python 3 writes bytes in the pickle protocol of Python 2."""
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] != "latin1":
        raise CheckpointError(f"Bytes are made of what is not a text of Latin-1. {DAMAGED}")
    try:
        return arguments[0].encode("latin-1")
    except UnicodeEncodeError as error:
        raise CheckpointError(f"Bytes are made of what is not a text of Latin-1. {DAMAGED}") from error


def _numpy_type(arguments: tuple[Any, ...]) -> NumpyType:
    code = arguments[0] if arguments else None
    if type(code) is not str or code not in _NUMPY_TYPES:
        raise CheckpointError(f"A NumPy dtype is {short(code)}; only numbers are read. {RESAVE}")
    return NumpyType(code)


def _numpy_scalar(arguments: tuple[Any, ...]) -> bool | int | float:
    kind, content = arguments if len(arguments) == 2 else (None, None)
    if isinstance(content, str):  # bytes that Python 2 wrote
        content = _encode((content, "latin1"))
    if not isinstance(kind, NumpyType) or type(content) is not bytes or len(content) != kind.dtype.itemsize:
        raise CheckpointError(f"A NumPy number is made of {short(kind)} and {short(content)}. {DAMAGED}")
    return np.frombuffer(content, kind.dtype)[0].item()


def _names() -> dict[tuple[str, str], Name]:
    functions = {
        ("torch._utils", "_rebuild_tensor"): lambda arguments: rebuild_tensor(*arguments),
        ("torch._utils", "_rebuild_tensor_v2"): lambda arguments: rebuild_tensor(*arguments),
        ("torch._utils", "_rebuild_parameter"): lambda arguments: rebuild_parameter(*arguments),
        ("torch", "Size"): _size,
        ("torch", "device"): _device,
        ("_codecs", "encode"): _encode,
        ("numpy", "dtype"): _numpy_type,
        ("numpy.core.multiarray", "scalar"): _numpy_scalar,
        ("numpy._core.multiarray", "scalar"): _numpy_scalar,
        ("collections", "OrderedDict"): _ordered_dict,
    }
    names = {key: Name(".".join(key), function=function) for key, function in functions.items()}
    names["argparse", "Namespace"] = Name("argparse.Namespace", maker=lambda: DictLike({}, takes_state=True))
    for kind, dtype in _STORAGES.items():
        name = f"{kind}Storage"
        names["torch", name] = Name(f"torch.{name}", dtype=dtype)
    names["torch.storage", "UntypedStorage"] = Name("torch.storage.UntypedStorage", dtype="uint8")
    for dtype in _DTYPES:
        names["torch", dtype] = Name(f"torch.{dtype}", value=dtype)
    return names


NAMES = _names()
