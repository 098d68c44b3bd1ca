"""A process that is measured: makes one job ready, then runs it once for each line it reads, and says how long it took.

`python worker.py MODULE:FUNCTION '{"option": value}'`. The function, of a module in `workers/`, returns what a round
runs and how many items (images, steps ...) a round is. A dict that a round returns is passed on. Standard library only:
it runs in the environments of other projects too.
"""

import json
import os
import resource
import sys
import time
from importlib import import_module
from pathlib import Path


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.path.insert(0, str(Path(__file__).parent / "workers"))
    module, function = sys.argv[1].split(":")
    run, items = getattr(import_module(module), function)(**json.loads(sys.argv[2]))
    answers.write(json.dumps({"items": items}) + "\n")
    for _ in sys.stdin:
        start = time.perf_counter()
        said = run()
        answer = {"seconds": time.perf_counter() - start}
        answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.write(json.dumps({**answer, **(said if isinstance(said, dict) else {})}) + "\n")


if __name__ == "__main__":
    main()
