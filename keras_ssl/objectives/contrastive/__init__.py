"""Objectives that tell samples apart."""
