"""Objectives that compare places of an image, not whole images alone."""
