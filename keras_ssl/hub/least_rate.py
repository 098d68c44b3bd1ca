"""An end to downloads that bring next to nothing, byte by byte, without ever breaking off."""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

import requests
import urllib3

from keras_ssl.hub.download_error import SourceError

LEAST_RATE = 5_000.0
"""Bytes a second that a source must give, averaged over each `WINDOW`, whatever it does meanwhile."""
WINDOW = 60.0
"""Seconds over which a source's rate is averaged: also the longest wait for an answer's headers, and all retries."""
_AGAIN = 1.0  # seconds; a connection that was being made when the others were shut down is shut down then


class LeastRate:
    """Shuts the connections of a source down where it is too slow, so that whoever waits for it gets an error.

    Time-outs of a socket count from byte to byte, and a server that sends one now and then is never late. Here the
    bytes count, and a thread looks at the clock, since the one that reads may be waiting.
    """

    def __init__(self) -> None:
        self._connections: list[Any] = []
        self._furthest = self._mark = 0
        self._deadline = time.monotonic() + WINDOW
        self._slow: str | None = None
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keras_ssl least rate", daemon=True)

    def __enter__(self) -> "LeastRate":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def reached(self, position: int) -> None:
        """Says how many bytes there are; those that came once before count once."""
        self._furthest = max(self._furthest, position)

    def left(self) -> float:
        """Seconds until the rate is looked at again."""
        return max(self._deadline - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raises a `SourceError` if the source was too slow."""
        self._judge()
        if self._slow is not None:
            raise SourceError(self._slow)

    def adapter(self) -> requests.adapters.HTTPAdapter:
        """An adapter for `requests.Session.mount` whose connections are shut down with the others."""
        return _Adapter(self._connections)

    def _judge(self) -> None:
        """Compares what came with what had to come, if the time is over."""
        with self._lock:
            now = time.monotonic()
            if self._slow is not None or now < self._deadline:
                return
            brought = self._furthest - self._mark
            asleep = now > self._deadline + WINDOW / 2  # this process was stopped: nobody's fault
            if brought < LEAST_RATE * WINDOW and not asleep:
                self._slow = f"only {brought} bytes came in {WINDOW:g} seconds"
            self._mark, self._deadline = self._furthest, now + WINDOW

    def _watch(self) -> None:
        while not self._done.wait(_AGAIN if self._slow else self.left()):
            self._judge()
            if self._slow is not None:
                for connection in list(self._connections):
                    _shut_down(connection)


def _shut_down(connection: Any) -> None:
    """Whoever waits for this connection's next byte learns that there is none."""
    opened = connection if isinstance(connection, socket.socket) else getattr(connection, "sock", None)
    if isinstance(opened, socket.socket):
        with suppress(OSError):
            # Of an encrypted socket the plain method: its own is not for another thread.
            socket.socket.shutdown(opened, socket.SHUT_RDWR)


class _Adapter(requests.adapters.HTTPAdapter):
    """Keeps account of its connections, those through a proxy too."""

    def __init__(self, connections: list[Any]) -> None:
        self._pools = {
            "http": _known(urllib3.HTTPConnectionPool, connections),
            "https": _known(urllib3.HTTPSConnectionPool, connections),
        }
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        if type(manager) is urllib3.ProxyManager:  # SOCKS has its own
            manager.pool_classes_by_scheme = self._pools
        return manager


def _known(pool: Any, connections: list[Any]) -> Any:
    """A pool whose connections are in `connections` from before they are made."""

    class Connection(pool.ConnectionCls):
        def connect(self) -> None:
            connections.append(self)
            super().connect()
            connections.append(self.sock)  # an answer that is the connection's last takes it away

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})
