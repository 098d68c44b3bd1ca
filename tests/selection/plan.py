"""Which of the collected tests are run: small enough to hand to the processes that run them."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

# One in so many of what the change does not touch.
SHARE = 5
LONG_SHARE = 10
# A test of one method or loss, on the second backend: it takes its turn too, where only what all need has changed.
OF_ONE_METHOD = ("tests/objectives/", "tests/losses/")
MOST = 8  # methods of that share, however many the library has


@dataclass(frozen=True)
class Plan:
    """What is run of the suite after a change.

    Args:
        commit: turns the share of the rest.
        changed: number of files that changed; None where that is unknown, so that any may have.
        methods: all of them.
        touched: methods that the change touches.
        representatives: two methods of each family.
        recipes: the method of each recipe.
        files: by test file, what the change has to do with it: "itself", "alone" (something that few methods need),
            "all" (only what most methods need), "none".
        per_method: test files that go through the methods.
        without_backend: test files that compute nothing by Keras.
        long_methods: how many touched methods the long tests take; None is all of them.
    """

    commit: str
    changed: int | None
    methods: list[str]
    touched: list[str]
    representatives: list[str]
    recipes: dict[str, str]
    files: dict[str, str]
    per_method: list[str]
    without_backend: list[str]
    long_methods: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def in_turn(self, name: str, one_in: int) -> bool:
        """Whether it is the turn of a test that the change does not touch."""
        return self._place(name) % one_in == 0

    def _place(self, name: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.commit}/{name}".encode()).digest()[:8], "big")

    def place_of_file(self, path: str) -> tuple[int, int]:
        """The place of a test file where there is a limit of time: those that the change has to do with come first."""
        rank = {"itself": 0, "alone": 0, "all": 1, "none": 2}[self.files.get(path, "itself")]
        return rank, self._place(path)

    def touched_by_long(self) -> list[str]:
        """The touched methods that the long tests take."""
        return sorted(self.touched, key=self._place)[: self.long_methods]

    def takes(
        self, path: str, test: str, methods: Iterable[str] = (), kind: str = "quick", again: bool = False
    ) -> bool:
        """Whether a test of the file `path` is run.

        Args:
            test: its name, by which it takes its turn.
            methods: those that it is of, if it is one of those that every method goes through.
            kind: "quick", "slow" or "long".
            again: on the second backend.
        """
        methods = set(methods)
        share = LONG_SHARE if kind == "long" else SHARE
        relation = self.files.get(path, "itself")
        if kind == "quick" and (self.changed is None or relation == "itself"):
            return True
        if methods:
            touched = self.touched_by_long() if kind == "long" else self.touched
            rest = max(share, len(self.methods) // MOST)
            return not methods.isdisjoint({*touched, *self.representatives}) or self.in_turn(test, rest)
        if relation == "all" and again and path.startswith(OF_ONE_METHOD):
            return self.in_turn(test, share)
        if kind != "long":
            return self.changed is None or relation != "none" or self.in_turn(test, share)
        return relation in ("itself", "alone") or self.in_turn(test, share)

    def methods_of(self, path: str, parameters: Iterable[object]) -> set[str]:
        """The methods among the parameters of a test: by name, by list of names, by recipe or by example."""
        found = set()
        for value in parameters:
            for each in value if isinstance(value, list | tuple) else [value]:
                name = getattr(each, "stem", each)
                if isinstance(name, str) and name in self.methods and path in self.per_method:
                    found.add(name)
                elif isinstance(name, str) and name in self.recipes:
                    found.add(self.recipes[name])
        return found

    def summary(self) -> str:
        """A line for people."""
        if self.changed is None:
            return "gate: no commit to compare with: all quick tests, two methods of each family, a share of the rest"
        left = sorted(set(self.touched) - set(self.touched_by_long()))
        text = f"gate: {self.changed} files changed, methods touched: {', '.join(self.touched) or 'none'}"
        return text + (f"; not by long tests: {', '.join(left)}" if left else "")
