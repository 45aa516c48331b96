"""Every error that crosses a room's border, in one tree.

    VoicetrioError
    +-- LocalError                  our own bug: a session that meets one ends with close code 1011
    |   +-- InvalidTransitionError  the state machine was asked for a move that its table does not have
    |   +-- BufferOverrunError      a write would overwrite audio that is not committed yet
    +-- RemoteError                 the client's mistake: told to it as an `error` message, by code
    +-- WorkerError                 a worker refused, failed or fell silent
    |   +-- WorkerUnavailable       nobody answers there; another worker, or the same one later, may
    |   |   +-- WorkerDraining      it answers, and is about to end: its stream was left for another worker's
    |   |   +-- WorkerCrashed       its engine died of what it was given, or of what others gave it at the same time
    |   |   +-- EngineLost          its engine died of something else
    |   +-- WorkerBusy              no slot is free
    |   +-- WorkerRejected          the request itself cannot be served (an unknown voice or language)
    +-- AgentError                  an agent refused, failed or fell silent: told to the client by its code

Texts name what was wrong, where, and what to do. They never hold a transcript, a spoken text, audio, a token or a key.
"""


class VoicetrioError(Exception):
    """Root of the tree; never raised itself."""


class LocalError(VoicetrioError):
    """Our own bug."""


class InvalidTransitionError(LocalError):
    """The table of `core.states` has no such move. The state is unchanged."""


class BufferOverrunError(LocalError):
    """A write did not fit between the write position and the read fence. Nothing was written."""


class RemoteError(VoicetrioError):
    """The client sent something that cannot be used.

    `code` is a stable identifier for programs, `message` is for people. With `recoverable` false the session ends
    with `close_code`; otherwise nothing has changed and the session goes on.
    """

    def __init__(self, code: str, message: str, *, recoverable: bool = True, close_code: int = 1008) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.recoverable = recoverable
        self.close_code = close_code


class WorkerError(VoicetrioError):
    """A worker could not do what was asked. The message may be shown to a client."""


class WorkerUnavailable(WorkerError):
    """The worker does not answer, or its stream broke."""


class WorkerSilent(WorkerUnavailable):
    """The worker has not answered in time. It may stand still, and it may take some seconds more until that is noticed."""


class WorkerDraining(WorkerUnavailable):
    """A worker that is about to end was left in the middle of a segment, which goes on with another one."""


class WorkerCrashed(WorkerUnavailable):
    """The engine's process died, or hung and was ended, while it worked on what this call had given it.

    Perhaps it was that of another call which it worked on at the same time. What is given to an engine alone, and three
    times in all, is not given to any engine again.
    """

    text_range: tuple[int, int] | None = None
    """Of an engine that speaks: the characters of the request's text that it died of, from and up to; None: not known."""


class EngineLost(WorkerUnavailable):
    """The engine's process died, of something else than what this call had given it. It has all to be given again."""


class WorkerBusy(WorkerError):
    """The worker has no free slot."""


class WorkerRejected(WorkerError):
    """The worker cannot serve this request, and would not later either."""


class AgentError(VoicetrioError):
    """An agent could not do its part of a turn, which is over; the session goes on.

    `code` is a stable identifier for programs, `message` is for people, and may be shown to a client. It never holds what
    anybody has said, nor a key, nor what a foreign server has written.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
