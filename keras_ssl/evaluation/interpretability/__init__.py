"""What single units, subsets of the data and weights of a model do."""
