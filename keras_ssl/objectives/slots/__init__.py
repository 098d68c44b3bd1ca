"""Objectives that take scenes apart: a vector, a slot, for each object."""
