"""Rules that make one direction of the gradients of several tasks: functions of `[T, P]` that give `[P]`."""
