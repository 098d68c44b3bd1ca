"""What to train on: selectors of samples, samplers of mixtures, reweighting and distillation of data sets."""
