"""Losses of metric learning: of pairs, triplets and proxies, and of labels that are similar by degrees."""
