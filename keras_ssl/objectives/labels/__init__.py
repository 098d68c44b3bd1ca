"""Objectives that learn from few labels, or from the structure of labels."""
