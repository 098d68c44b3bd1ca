"""Objectives that learn from a trained teacher."""
