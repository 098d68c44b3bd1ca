"""What the features of places know: segmentation, correspondence, objects."""
