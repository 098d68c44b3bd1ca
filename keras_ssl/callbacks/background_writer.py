"""Work that a thread does while training goes on."""

import threading
from collections.abc import Callable


class BackgroundWriter:
    """Runs one piece of work at a time in a thread; errors come to light where it is next asked.

    The thread outlives an error of the main thread: Python waits for it at its end, so that what was begun is written.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def submit(self, work: Callable[[], None]) -> None:
        """Starts work, after that which was started before.

        Raises:
            Exception: that of earlier work; this work is then not started.
        """
        self.wait()
        self._thread = threading.Thread(target=self._run, args=(work,), name="checkpoint")
        try:
            self._thread.start()
        except RuntimeError:  # the system has no more threads: the run waits for its work instead
            self._thread = None
            self._run(work)

    def check(self) -> None:
        """Raises the error of work that has ended."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def wait(self) -> None:
        """Waits until the work is done; raises its error."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = error
