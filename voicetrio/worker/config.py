"""What a worker process is told at its start. Where the values come from is not its business."""

from dataclasses import dataclass, field

from voicetrio.worker.engines.contract import Device, EngineOptions, HearingSetup, SpeakingSetup


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    listen: str = "127.0.0.1:50051"
    """`host:port` (port 0: any free one; `[::1]:50051` for IPv6) or `unix:/path/of/socket`. There is no
    authentication: give it only to addresses that none but gateways can reach."""

    stt_engine: str = "pocketsphinx"
    """The engine that hears: a name of `engines.registry`, or "none"."""

    stt_model: str = ""
    """A folder with the engine's model, or a name that the engine can find; empty: the model that comes with it."""

    stt_device: Device = "auto"

    stt_compute_type: str = "auto"
    """How the model counts, by the engine's own names; auto: what suits the device."""

    stt_threads: int = 0
    """CPU threads of an engine process; 0: the engine chooses."""

    stt_options: EngineOptions = field(default_factory=dict)
    """Settings that only this engine has."""

    stt_slots: int = 16
    """Recogniser streams open at once; the next one is refused. One per session that is live on this worker."""

    stt_processes: int = 0
    """Engine processes to decode in; 0: one per CPU core, or one in all for an engine that serves all streams together;
    never more than slots. Each costs the memory of a loaded model. Engines that are cheap enough to run in the server's
    own process ignore it."""

    tts_engine: str = "espeak-ng"
    """The engine that speaks: a name of `engines.registry`, or "none"."""

    tts_voice: str = ""
    """The voice of requests that name none; empty: the engine's own default."""

    tts_model: str = ""
    """A folder of voices, or what else the engine speaks with; empty: what comes with the engine."""

    tts_device: Device = "auto"

    tts_options: EngineOptions = field(default_factory=dict)
    """Settings that only this engine has."""

    tts_slots: int = 8
    """Texts being spoken at once; the next one is refused."""

    environment: tuple[str, ...] = ()
    """Names of variables that engine processes get beyond those that engines are known to need."""

    drain_timeout: float = 20.0
    """Seconds after a stop in which open calls may end; then they are cut. Gateways move their streams in half of it. Less
    than the 30 s after which container runtimes kill."""

    die_with_parent: bool = False
    """Exit as soon as stdin reaches its end. For a parent that keeps the other end of that pipe open and does nothing
    with it: the kernel closes it even when the parent is killed by SIGKILL."""

    @property
    def hearing(self) -> HearingSetup:
        """What the engine that hears is loaded with."""
        return HearingSetup(self.stt_model, self.stt_device, self.stt_compute_type, self.stt_threads, self.stt_options)

    @property
    def speaking(self) -> SpeakingSetup:
        """What the engine that speaks is loaded with."""
        return SpeakingSetup(self.tts_voice, self.tts_model, self.tts_device, self.tts_options)
