"""A reader of pickled data that can build plain values and nothing else."""

import struct
from collections.abc import Callable
from typing import Any

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, RESAVE, CheckpointError, short
from keras_ssl.checkpoints.pickle_names import NAMES, DictLike, Instance, Name, dict_key

MAX_BYTES = 2**25  # the pickled part of a checkpoint names its weights and seldom reaches a megabyte
MAX_COST = 2**20  # operations; a full checkpoint of a network of 1000 weights takes a tenth
_LONGEST_NAME = 255  # bytes
_HIGHEST_PROTOCOL = 5


class PickleMachine:
    """Runs the operations of a pickle that PyTorch's `torch.save` writes, and refuses every other one.

    Python's own `pickle` imports what a file names and calls it. This machine imports and calls nothing: a
    name is looked up in `pickle_names.NAMES`, each of which stands for a function of ours that makes plain
    values. It is a loop without recursion; the bytes that it reads and the objects that it makes are bounded
    (`MAX_BYTES`, `MAX_COST`), whatever sizes the file claims.

    The result may still hold inert stand-ins for tensors and be cyclic; `finish` ends that.

    Args:
        data: the bytes; a pickle may be followed by others.
        persistent_load: makes a value of a persistent id, as PyTorch uses them for storages.
    """

    def __init__(self, data: bytes, persistent_load: Callable[[Any], Any]) -> None:
        self._data = data
        self._persistent_load = persistent_load
        self._position = 0
        self._cost = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, position: int = 0) -> tuple[Any, int]:
        """Reads the pickle that starts at `position`; returns its value and where it ends.

        Raises:
            CheckpointError: if it is damaged, too large, or does anything but build plain values and tensors.
        """
        self._position = position
        self._stack, self._marks, self._memo = [], [], {}
        while True:
            operation = self._take(1)
            self._spend(1)
            if operation == b".":
                value = self._pop()
                if self._stack or self._marks:
                    raise CheckpointError(f"A pickle ends with values left over. {DAMAGED}")
                return value, self._position
            handler = _OPERATIONS.get(operation)
            if handler is None:
                raise CheckpointError(
                    f"A pickle uses the operation {operation!r}, which no file of plain weights needs. {RESAVE}"
                )
            handler(self)

    def _take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._data):
            raise CheckpointError(f"A pickle ends too early. {DAMAGED}")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def _number(self, form: str) -> int:
        return struct.unpack("<" + form, self._take(struct.calcsize(form)))[0]

    def _spend(self, cost: int) -> None:
        self._cost += cost
        if self._cost > MAX_COST:
            raise CheckpointError(f"A pickle takes more than {MAX_COST} operations. {RESAVE}")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise CheckpointError(f"A pickle takes a value that is not there. {DAMAGED}")
        return self._stack.pop()

    def _top(self, kind: type | tuple[type, ...]) -> Any:
        value = self._pop()
        self._push(value)
        if not isinstance(value, kind):
            raise CheckpointError(f"A pickle adds to {short(value)} what it cannot take. {DAMAGED}")
        return value

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            raise CheckpointError(f"A pickle goes back to a mark that is not there. {DAMAGED}")
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    # Values

    def _protocol(self) -> None:
        protocol = self._number("B")
        if protocol > _HIGHEST_PROTOCOL:
            raise CheckpointError(f"A pickle has the unknown protocol {protocol}. {DAMAGED}")

    def _frame(self) -> None:
        self._number("Q")  # a hint for buffering; the frame's bytes come as they are

    def _long(self) -> None:
        self._push(int.from_bytes(self._take(self._number("B")), "little", signed=True))

    def _text(self, form: str) -> str:
        try:
            return self._take(self._number(form)).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"A pickle has a text that is not UTF-8. {DAMAGED}") from error

    # Names

    def _name(self, module: str, name: str) -> None:
        found = NAMES.get((module, name))
        if found is None:
            raise CheckpointError(
                f"The file asks for {short(f'{module}.{name}')}: it holds Python objects, not only weights, and "
                f"reading them could run code. {RESAVE}"
            )
        self._push(found)

    def _global(self) -> None:
        self._name(self._line(), self._line())

    def _line(self) -> str:
        end = self._data.find(b"\n", self._position, self._position + _LONGEST_NAME)
        if end < 0:
            raise CheckpointError(f"A pickle has a name without an end. {DAMAGED}")
        line = self._take(end - self._position)
        self._take(1)
        return line.decode("latin-1")

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise CheckpointError(f"A pickle names something by {short(name)}. {DAMAGED}")
        self._name(module, name)

    def _reduce(self) -> None:
        arguments, name = self._pop(), self._pop()
        if not isinstance(name, Name) or type(arguments) is not tuple:
            raise CheckpointError(f"A pickle calls {short(name)}. {RESAVE}")
        # Arguments that the memo holds can be given again at the cost of one byte, and copied each time.
        self._spend(len(arguments) + sum(len(a) for a in arguments if isinstance(a, str | bytes | list | tuple)))
        self._push(name.call(arguments))

    def _new(self) -> None:
        arguments, name = self._pop(), self._pop()
        if not isinstance(name, Name) or type(arguments) is not tuple or arguments:
            raise CheckpointError(f"A pickle makes an object of {short(name)}. {RESAVE}")
        self._push(name.new())

    def _build(self) -> None:
        state = self._pop()
        self._top(Instance).set_state(state)

    def _persistent(self) -> None:
        self._push(self._persistent_load(self._pop()))

    # Containers

    def _append(self) -> None:
        item = self._pop()
        self._top(list).append(item)

    def _appends(self) -> None:
        items = self._pop_to_mark()
        self._top(list).extend(items)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _set_items(self) -> None:
        self._set(self._pop_to_mark())

    def _set(self, items: list[Any]) -> None:
        target = self._top((dict, DictLike))
        if isinstance(target, DictLike):
            target = target.items
        if len(items) % 2:
            raise CheckpointError(f"A pickle sets a key without a value. {DAMAGED}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[dict_key(key)] = value

    def _tuple(self, count: int) -> None:
        self._push(tuple(reversed([self._pop() for _ in range(count)])))

    # Memo

    def _put(self, index: int) -> None:
        self._memo[index] = self._top(object)

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise CheckpointError(f"A pickle refers to a value that it does not have. {DAMAGED}")
        self._push(self._memo[index])


_OPERATIONS: dict[bytes, Callable[[PickleMachine], None]] = {
    b"\x80": PickleMachine._protocol,
    b"\x95": PickleMachine._frame,
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"J": lambda m: m._push(m._number("i")),
    b"K": lambda m: m._push(m._number("B")),
    b"M": lambda m: m._push(m._number("H")),
    b"\x8a": PickleMachine._long,
    b"G": lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    b"X": lambda m: m._push(m._text("I")),
    b"\x8c": lambda m: m._push(m._text("B")),
    # The bytes of Python 2 come as text that loses none of them.
    b"U": lambda m: m._push(m._take(m._number("B")).decode("latin-1")),
    b"C": lambda m: m._push(m._take(m._number("B"))),
    b"B": lambda m: m._push(m._take(m._number("I"))),
    b"c": PickleMachine._global,
    b"\x93": PickleMachine._stack_global,
    b"R": PickleMachine._reduce,
    b"\x81": PickleMachine._new,
    b"b": PickleMachine._build,
    b"Q": PickleMachine._persistent,
    b"]": lambda m: m._push([]),
    b"a": PickleMachine._append,
    b"e": PickleMachine._appends,
    b"}": lambda m: m._push({}),
    b"s": PickleMachine._set_item,
    b"u": PickleMachine._set_items,
    b")": lambda m: m._push(()),
    b"\x85": lambda m: m._tuple(1),
    b"\x86": lambda m: m._tuple(2),
    b"\x87": lambda m: m._tuple(3),
    b"(": lambda m: m._marks.append(len(m._stack)),
    b"t": lambda m: m._push(tuple(m._pop_to_mark())),
    b"q": lambda m: m._put(m._number("B")),
    b"r": lambda m: m._put(m._number("I")),
    b"\x94": lambda m: m._put(len(m._memo)),
    b"h": lambda m: m._get(m._number("B")),
    b"j": lambda m: m._get(m._number("I")),
}
