"""The composition root: from settings to everything a gateway needs, opened in order and closed in the reverse one.

trio-asyncio loop -> worker pool -> local worker process (ready) -> agent -> sessions -> the app's house
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict

import trio
import trio_asyncio

from voicetrio.agent import AgentConfig, open_agent
from voicetrio.gateway.house import House
from voicetrio.gateway.origin import is_loopback
from voicetrio.gateway.registry import open_registry
from voicetrio.metrics import make_telemetry
from voicetrio.session.ports import Ports
from voicetrio.session.turn_detectors import AlwaysOver, TurnWords
from voicetrio.settings import AgentSettings, ConfigError, Settings
from voicetrio.tokens import TokenConfig, TokenDesk, make_desk
from voicetrio.vad.webrtc import WebRtcDetector
from voicetrio.worker.config import WorkerConfig
from voicetrio.workers.pool import open_pool
from voicetrio.workers.supervisor import Patience, Supervisor, private_socket, supervised


def worker_config(settings: Settings, *, listen: str, die_with_parent: bool = False) -> WorkerConfig:
    """What a worker process with these settings is told."""
    return WorkerConfig(
        listen=listen,
        stt_engine=settings.stt.engine,
        stt_model=settings.stt.model,
        stt_device=settings.stt.device,
        stt_compute_type=settings.stt.compute_type,
        stt_threads=settings.stt.threads,
        stt_options=settings.stt.options,
        stt_slots=settings.stt.slots,
        stt_processes=settings.stt.processes,
        tts_engine=settings.tts.engine,
        tts_voice=settings.tts.voice,
        tts_model=settings.tts.model,
        tts_device=settings.tts.device,
        tts_options=settings.tts.options,
        tts_slots=settings.tts.slots,
        die_with_parent=die_with_parent,
    )


def _child_command(settings: Settings, listen: str) -> list[str]:
    """How to start the worker that this process owns: the very settings of this process, not those of the files now."""
    config = worker_config(settings, listen=listen, die_with_parent=True)
    values = {"worker": asdict(config), "log": settings.log.model_dump()}
    return [sys.executable, "-m", "voicetrio", "worker", "--child", json.dumps(values)]


def agent_config(settings: Settings) -> AgentConfig:
    """Who answers. Reads the key's file, if there is one. Raises `ConfigError` for what only the agent's own room knows."""
    agent = settings.agent
    key = _secret(settings, "agent", "api_key")
    try:
        return _agent_config(agent, key)
    except ValueError as error:
        raise ConfigError([str(error)]) from None


def _agent_config(agent: AgentSettings, key: str) -> AgentConfig:
    return AgentConfig(
        kind=agent.kind,
        url=agent.url,
        api_key=key,
        model=agent.model,
        instructions=agent.instructions,
        connect_timeout=agent.connect_timeout,
        max_event_bytes=agent.max_event_bytes,
    )


def _secret(settings: Settings, section: str, name: str) -> str:
    """A secret, wherever it is kept. Its file was read when the settings were checked, and may be gone since."""
    try:
        value: str = getattr(settings, section).secret(name)
    except (OSError, ValueError):
        raise ConfigError([f"{section}.{name}_file: cannot be read any more"]) from None
    return value


def admin_key(settings: Settings) -> str:
    """What opens the operator's page. Reads the key's file, if there is one. Raises `ConfigError`."""
    return _secret(settings, "server", "admin_key")


def token_config(settings: Settings) -> TokenConfig | None:
    """How tokens for LiveKit rooms are made; None: no keys are configured. Reads their files. Raises `ConfigError`."""
    livekit = settings.livekit
    if not livekit.configured:
        return None
    return TokenConfig(
        server_url=livekit.url,
        api_key=_secret(settings, "livekit", "api_key"),
        api_secret=_secret(settings, "livekit", "api_secret"),
        ttl=livekit.token_ttl,
        agent_name=livekit.agent_name,
        shared_rooms=livekit.shared_rooms,
        per_minute=livekit.tokens_per_minute,
    )


def _make_tokens(settings: Settings) -> TokenDesk | None:
    """Blocks while it reads files and imports what signs."""
    config = token_config(settings)
    return None if config is None else make_desk(config)


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Everything that the app serves, with its workers ready.

    Raises:
        WorkerStartError: the local worker could not be started.
    """
    telemetry = make_telemetry()
    workers = settings.workers
    async with AsyncExitStack() as stack:
        loop = await stack.enter_async_context(trio_asyncio.open_loop())
        addresses = list(workers.addresses)
        if workers.local:
            addresses.insert(0, stack.enter_context(private_socket()))
        pool = await stack.enter_async_context(
            open_pool(
                addresses,
                loop,
                telemetry,
                health_interval=workers.health_interval,
                health_timeout=workers.health_timeout,
            )
        )
        if workers.local:
            patience = Patience(
                start=workers.start_timeout, hang=2 * workers.health_timeout, backoff_max=workers.restart_backoff_max
            )
            command = _child_command(settings, addresses[0])
            await stack.enter_async_context(supervised(Supervisor(command, pool.members[0], telemetry, patience)))
        agent = await stack.enter_async_context(open_agent(await trio.to_thread.run_sync(agent_config, settings)))
        ports = Ports(
            recognizer=pool,
            synthesizer=pool,
            make_detector=WebRtcDetector,
            telemetry=telemetry,
            agent=agent,
            turn_detector=TurnWords() if settings.session.turn_detector == "words" else AlwaysOver(),
        )
        yield House(
            registry=await stack.enter_async_context(open_registry(settings.server.max_sessions)),
            workers=pool,
            ports=ports,
            telemetry=telemetry,
            session_config=settings.session_config(),
            session_limits=settings.session_limits(),
            allowed_origins=settings.server.allowed_origins,
            loopback_only=is_loopback(settings.server.host),
            admin_key=await trio.to_thread.run_sync(admin_key, settings),
            tokens=await trio.to_thread.run_sync(_make_tokens, settings),
            livekit_url=settings.livekit.url,
        )
