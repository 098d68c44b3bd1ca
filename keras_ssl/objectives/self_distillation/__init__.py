"""Objectives whose targets come from another branch of the same network, most often a momentum teacher."""
