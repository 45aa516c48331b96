"""Errors that only a worker knows. What else goes wrong with a call is in `core.errors`."""

from typing import TypeVar

from voicetrio.core.errors import VoicetrioError, WorkerError

ErrorT = TypeVar("ErrorT", bound=Exception)


class SetupError(VoicetrioError):
    """Why a worker cannot start: a setting, a file or a package that a person has to change; the text says how."""


class NotServed(WorkerError):
    """The worker was not given an engine for what the call asks."""


def first_leaf(group: ExceptionGroup[ErrorT]) -> ErrorT:
    """The first error in a group of groups: siblings of the first one failed because of it, or at the same time."""
    error = group.exceptions[0]
    return first_leaf(error) if isinstance(error, ExceptionGroup) else error
