"""What the operator can set: typed, checked at the start, and read from files and the environment.

Nobody should have to start a server five times to find five typing errors: a mistake is told once, together with all
others. `config/default.toml` shows every key; a test holds it and `schema` together.
"""

from voicetrio.settings.inspection import EngineAnswer, EngineQuestion, Inspector
from voicetrio.settings.livekit import LiveKitSettings
from voicetrio.settings.loading import ConfigError, SettingsTrace, load_settings, load_worker_files, trace_settings
from voicetrio.settings.schema import AgentSettings, LogSettings, ServerSettings, SessionSettings, Settings

__all__ = [
    "AgentSettings",
    "ConfigError",
    "EngineAnswer",
    "EngineQuestion",
    "Inspector",
    "LiveKitSettings",
    "LogSettings",
    "ServerSettings",
    "SessionSettings",
    "Settings",
    "SettingsTrace",
    "load_settings",
    "load_worker_files",
    "trace_settings",
]
