"""What a worker process is told at its start. Where the values come from is not its business."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    listen: str = "127.0.0.1:50051"
    """`host:port` (port 0: any free one; `[::1]:50051` for IPv6) or `unix:/path/of/socket`. There is no
    authentication: give it only to addresses that none but gateways can reach."""

    stt_engine: str = "pocketsphinx"
    """The engine that hears: a name of `engines.registry`, or "none"."""

    stt_model: str = ""
    """A folder with the engine's model; empty: the model that comes with the engine."""

    stt_slots: int = 16
    """Recogniser streams open at once; the next one is refused. One per session that is live on this worker."""

    stt_processes: int = 0
    """Engine processes to decode in; 0: one per CPU core, and never more than slots. Each can fill one core and costs
    the memory of a loaded model. Engines that are cheap enough to run in the server's own process ignore it."""

    tts_engine: str = "espeak-ng"
    """The engine that speaks: a name of `engines.registry`, or "none"."""

    tts_voice: str = ""
    """The voice of requests that name none; empty: the engine's own default."""

    tts_slots: int = 8
    """Texts being spoken at once; the next one is refused."""

    die_with_parent: bool = False
    """Exit as soon as stdin reaches its end. For a parent that keeps the other end of that pipe open and does nothing
    with it: the kernel closes it even when the parent is killed by SIGKILL."""
