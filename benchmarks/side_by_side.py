"""Two processes measured against each other: they take turns, so that what else the machine does hits both."""

import json
import os
import signal
import statistics
import subprocess
import tempfile
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

    Raises:
        RuntimeError: if the process ends before it is asked to; the message holds the end of what it printed.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
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
            self._log.seek(0)
            raise RuntimeError(f"{self._job.factory} {self._job.options} failed:\n{self._log.read()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process and frees what it holds; more than once does no harm."""
        self._process.kill()
        self._process.wait()
        self._log.close()


@dataclass(frozen=True)
class Comparison:
    """What came of two jobs that took turns.

    Args:
        ours, peer: items per second, the median over the rounds.
        ratio: the median over the rounds of ours to the peer's.
        ours_answer, peer_answer: what each job said last.
    """

    ours: float
    peer: float
    ratio: float
    ours_answer: dict[str, Any]
    peer_answer: dict[str, Any]


def compare(
    ours: Job,
    peer: Job,
    rounds: int,
    warm_up: bool = True,
    after_round: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Comparison:
    """Runs both jobs by turns.

    Args:
        ours, peer: the jobs.
        rounds: how often each runs.
        warm_up: whether each runs once before, uncounted: what is compiled then is not of interest. Defaults to True.
        after_round: called after each round of both, with what they said.
    """
    with Worker(ours) as first, Worker(peer) as second:
        rates: tuple[list[float], list[float]] = [], []
        answers: list[dict[str, Any]] = [{}, {}]
        if warm_up:
            answers = [first.round(), second.round()]
        for _ in range(rounds):
            for place, worker in enumerate((first, second)):
                answers[place] = worker.round()
                rates[place].append(worker.items / answers[place]["seconds"])
            if after_round is not None:
                after_round(answers)
        ratios = [a / b for a, b in zip(*rates, strict=True)]
        return Comparison(statistics.median(rates[0]), statistics.median(rates[1]), statistics.median(ratios), *answers)
