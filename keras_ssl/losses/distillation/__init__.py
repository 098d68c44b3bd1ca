"""Losses by which a student learns from a teacher's outputs."""
