"""Two processes measured against each other: they take turns, so that what else the machine does hits both."""

import json
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Job:
    """What a worker runs.

    Args:
        python: the interpreter, of the environment that has what the job needs.
        factory: `module:function` in `workers/`.
        options: its arguments.
        environment: variables to set for the process.
    """

    python: Path
    factory: str
    options: dict[str, Any]
    environment: dict[str, str]


class Worker:
    """A process that waits, and runs a round of its job when asked.

    Args:
        job: what it runs.
        seconds: after which it is ended. None (default) is never.

    Raises:
        RuntimeError: by its methods, if the process ends before it is asked to; the message holds the end of what it
            printed.
        TimeoutError: likewise, if it was ended because its time was over.
    """

    def __init__(self, job: Job, seconds: float | None = None) -> None:
        self._job = job
        self._late = False
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the worker
        self._process = subprocess.Popen(
            [str(job.python), str(_HERE / "worker.py"), job.factory, json.dumps(job.options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            bufsize=1,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | job.environment,
        )
        self._timer = threading.Timer(seconds or 0.0, self._end)
        if seconds is not None:
            self._timer.start()

    @cached_property
    def items(self) -> float:
        """What a round is counted in; waits until the process has made its job ready."""
        return float(self._answer()["items"])

    def round(self) -> dict[str, Any]:
        """Runs the job once: `seconds`, `peak_mb` (of the process so far), and what the job itself said."""
        self.begin()
        return self.end()

    def begin(self) -> None:
        """Starts a round; other workers may start theirs before `end` waits for this one."""
        _ = self.items
        if self._process.stdin is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.stdin.write("\n")

    def end(self) -> dict[str, Any]:
        """Waits for the end of the round that was begun: its answer."""
        answer = self._answer()
        self._process.send_signal(signal.SIGSTOP)  # PyTorch's threads go on spinning, on the cores of the other's round
        return answer

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            self._process.wait()
            if self._late:
                raise TimeoutError(f"{self._job.factory} took longer than its {self._timer.interval:.0f} s")
            self._log.seek(0)
            raise RuntimeError(f"{self._job.factory} {self._job.options} failed:\n{self._log.read()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        self._late = True
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process and frees what it holds; more than once does no harm."""
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        self._log.close()


@dataclass(frozen=True)
class Comparison:
    """What came of two jobs that took turns.

    Args:
        ours, peer: items per second, the median over the rounds.
        ratio: the median over the rounds of ours to the peer's.
        rounds: how many there were.
        ours_answer, peer_answer: what each job said last.
    """

    ours: float
    peer: float
    ratio: float
    rounds: int
    ours_answer: dict[str, Any]
    peer_answer: dict[str, Any]


def compare(
    ours: Job,
    peer: Job,
    rounds: int,
    warm_up: bool = True,
    after_round: Callable[[list[dict[str, Any]]], None] | None = None,
    seconds: float | None = None,
) -> Comparison:
    """Runs both jobs by turns.

    Args:
        ours, peer: the jobs.
        rounds: how often each runs.
        warm_up: whether each runs once before, uncounted: what is compiled then is not of interest. Defaults to True.
        after_round: called after each round of both, with what they said.
        seconds: that it may take in all. There are fewer rounds where another would not fit, but at least one; a job
            that is not done with it by then is ended. None (default) is any time.

    Raises:
        RuntimeError: if a job fails.
        TimeoutError: if the time is over before the first round is.
    """
    start = time.monotonic()

    def left() -> float | None:
        return None if seconds is None else max(start + seconds - time.monotonic(), 0.0)

    with Worker(ours, left()) as first, Worker(peer, left()) as second:
        rates: tuple[list[float], list[float]] = [], []
        answers: list[dict[str, Any]] = [{}, {}]
        if warm_up:
            answers = [first.round(), second.round()]
        longest = 0.0
        for done in range(rounds):
            before = time.monotonic()
            if done and seconds is not None and before - start + longest > seconds:
                break
            try:
                answers = [first.round(), second.round()]
            except TimeoutError:
                if not done:
                    raise
                break
            for rate, worker, answer in zip(rates, (first, second), answers, strict=True):
                rate.append(worker.items / answer["seconds"])
            if after_round is not None:
                after_round(answers)
            longest = max(longest, time.monotonic() - before)
        ratios = [a / b for a, b in zip(*rates, strict=True)]
        return Comparison(
            statistics.median(rates[0]), statistics.median(rates[1]), statistics.median(ratios), len(ratios), *answers
        )
