"""Signals that end a run once it has saved."""

import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any


class SignalWatch:
    """Notes the first of some signals, and leaves the second its usual effect: it kills at once.

    Args:
        signals: which.
        act: called with the signal's number, in the main thread, when the first arrives.
    """

    def __init__(self, signals: Iterable[signal.Signals], act: Callable[[int], None]) -> None:
        self.received: int | None = None
        self._act = act
        self._before: dict[int, Any] = {}
        for number in signals:
            self._before[number] = signal.signal(number, self._handle)

    def restore(self) -> None:
        """Gives the signals the effect that they had before."""
        for number, handler in self._before.items():
            # None: a handler that was not set from Python, and cannot be set again from there.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)
        self._act(number)
