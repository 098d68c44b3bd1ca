"""One file for each proof: that a method does its job, against its plain baseline, on data that ship.

    python -m benchmarks.proofs --only=fix_match --seeds=3

prints a table and writes benchmarks/results/proofs/NAME.json; a seed that is there is not run again, but with
`--again`. A file has `NAME`, `MEASURE`, `METHOD` and `BASELINE` (keys of the figures to compare), and `run(seed)`,
which returns the figures; where lower figures are better, `LOWER_IS_BETTER = True`.

Every seed runs in a process of its own, and its wall and CPU seconds and the peak of the memory are written too. Where
`run` returns a `_shared.Timed`, in which figures are set one by one, so are the seconds of each setting.
"""
