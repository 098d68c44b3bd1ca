"""The category of what callbacks warn of."""


class TrainingWarning(UserWarning):
    """A run goes wrong: a finding of `CollapseDoctor`, for `warnings.filterwarnings` to turn off or into an error."""
