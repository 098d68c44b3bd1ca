"""What keeps a run from going on."""


class ResumeError(ValueError):
    """A run cannot go on from the checkpoints in a folder: its settings have changed, or another process is at it."""
