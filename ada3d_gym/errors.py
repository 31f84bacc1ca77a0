"""The base of the errors that this package raises on purpose, which tells them from faults of its own."""


class Ada3DError(Exception):
    """Something given (a file, list, checkpoint, action or option) cannot be used.

    The message is for the person who gave it: it names the thing, what was expected and what to do. Commands print it
    in one line; any other exception is a fault of the program and keeps its traceback.
    """


class InputError(Ada3DError, ValueError):
    """An argument, option or setting that makes no sense."""


class DivergedError(Ada3DError):
    """A training whose loss or weights are no longer numbers, stopped before any of it was saved."""
