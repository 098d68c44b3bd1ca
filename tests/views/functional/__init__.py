"""Tests of the kernels; a package, since the ops beside it have tests of the same names."""
