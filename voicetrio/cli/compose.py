"""The composition root: from settings to everything a gateway needs, opened in order and closed in the reverse one.

voice detectors -> trio-asyncio loop -> worker pool -> local worker process (ready) -> agent -> sessions -> the app's house
"""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace

import structlog
import trio
import trio_asyncio

from voicetrio.agent import AgentConfig, open_agent
from voicetrio.core.environment import engine_environment
from voicetrio.core.flood import FloodRules
from voicetrio.core.names import find_model
from voicetrio.gateway.connection_rules import ConnectionRules, CutTelemetry
from voicetrio.gateway.house import House
from voicetrio.gateway.origin import is_loopback
from voicetrio.gateway.registry import open_registry
from voicetrio.metrics import make_telemetry
from voicetrio.session.ports import Ports
from voicetrio.session.turn_detectors import AlwaysOver, TurnWords
from voicetrio.settings import AgentSettings, ConfigError, Settings, load_worker_files
from voicetrio.tokens import TokenConfig, TokenDesk, make_desk
from voicetrio.vad.opening import open_detectors
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engines.registry import are_ours
from voicetrio.workers.pool import Pool, open_pool
from voicetrio.workers.private_sockets import private_sockets
from voicetrio.workers.supervisor import Patience, Supervisor, supervised

log = structlog.get_logger()

_CHILD_DRAIN = 4.0
"""Seconds at most that a worker of ours drains, however long `worker.drain_timeout` is. When the server stops, its sessions
are over before, and there is nothing to drain; one that hangs in it would be killed after 5 s."""


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
        environment=settings.worker.environment,
        drain_timeout=settings.worker.drain_timeout,
        die_with_parent=die_with_parent,
    )


def _child_command(settings: Settings, worker: Settings, listen: str) -> list[str]:
    """How to start a worker that this process owns: with the very settings of this process, not those of the files now.

    What it hears and speaks with is in `worker`, which is `settings` for the first one.
    """
    config = worker_config(worker, listen=listen, die_with_parent=True)
    config = replace(
        config,
        drain_timeout=min(settings.worker.drain_timeout, _CHILD_DRAIN),
        environment=settings.worker.environment,
    )
    values = {"worker": asdict(config), "log": settings.log.model_dump()}
    return [sys.executable, "-m", "voicetrio", "worker", "--child", json.dumps(values)]


def _child_environment(settings: Settings, worker: Settings) -> dict[str, str]:
    """What a worker that this process owns gets of our environment: what its engines need, and no keys of ours."""
    known = are_ours(worker.stt.engine, worker.tts.engine)
    return engine_environment(os.environ, named=settings.worker.environment, known=known)


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
        max_answer_events=agent.max_answer_events,
        max_answer_bytes=agent.max_answer_bytes,
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


def connection_rules(settings: Settings, telemetry: CutTelemetry | None = None) -> ConnectionRules:
    """What connections are held to with these settings."""
    limits = settings.session_limits()
    return ConnectionRules(
        ping_interval=settings.server.ping_interval,
        pong_timeout=settings.server.pong_timeout,
        send_stall=limits.send_stall,
        flood=FloodRules(max_message_bytes=limits.max_message_bytes, max_rate=limits.max_rate),
        telemetry=telemetry,
    )


def _make_tokens(settings: Settings) -> TokenDesk | None:
    """Blocks while it reads files and imports what signs."""
    config = token_config(settings)
    return None if config is None else make_desk(config)


def _check_model(settings: Settings, pool: Pool) -> None:
    """Raises `ConfigError` for a default model that no worker has; workers that are elsewhere may still come."""
    wanted, known = settings.session.model, pool.models()
    if wanted and find_model(wanted, known) is None:
        if not settings.workers.addresses:
            raise ConfigError([f"session.model: no worker hears with it; there are: {', '.join(known) or 'none'}"])
        log.warning("no_worker_with_default_model", there_are=known)


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Everything that the app serves, with its workers ready.

    Raises:
        ConfigError: something that the settings ask for is not installed, or a secret's file is gone.
        ConfigError: a file of `workers.more` cannot be used any more, or no worker has the model of `session.model`.
        SocketFolderError: nothing can be written to, and local workers need a folder.
        WorkerStartError: a local worker could not be started.
    """
    telemetry = make_telemetry()
    workers = settings.workers
    async with AsyncExitStack() as stack:
        make_detector = await stack.enter_async_context(open_detectors(settings.session.vad, telemetry))
        loop = await stack.enter_async_context(trio_asyncio.open_loop())
        children = [settings] if workers.local else []
        children += await trio.to_thread.run_sync(load_worker_files, workers.more)
        sockets = stack.enter_context(private_sockets(len(children)))
        pool = await stack.enter_async_context(
            open_pool(
                [*sockets, *workers.addresses],
                loop,
                telemetry,
                health_interval=workers.health_interval,
                health_timeout=workers.health_timeout,
                default_model=settings.session.model,
            )
        )
        patience = Patience(
            start=workers.start_timeout, budget=workers.restart_budget, backoff_max=workers.restart_backoff_max
        )
        names = (["the local worker"] if workers.local else []) + [f"the worker of {file}" for file in workers.more]
        supervisors = [
            Supervisor(
                _child_command(settings, child, socket),
                member,
                telemetry,
                patience,
                environment=_child_environment(settings, child),
                name=name,
            )
            for child, socket, member, name in zip(children, sockets, pool.members, names, strict=False)
        ]
        await stack.enter_async_context(supervised(supervisors))
        _check_model(settings, pool)
        agent = await stack.enter_async_context(open_agent(await trio.to_thread.run_sync(agent_config, settings)))
        ports = Ports(
            recognizer=pool,
            synthesizer=pool,
            make_detector=make_detector,
            telemetry=telemetry,
            agent=agent,
            turn_detector=TurnWords() if settings.session.turn_detector == "words" else AlwaysOver(),
        )
        yield House(
            registry=await stack.enter_async_context(
                open_registry(settings.server.max_sessions, settings.server.max_sessions_per_address)
            ),
            workers=pool,
            ports=ports,
            telemetry=telemetry,
            session_config=settings.session_config(),
            session_limits=settings.session_limits(),
            allowed_origins=settings.server.allowed_origins,
            loopback_only=is_loopback(settings.server.host),
            connection_rules=connection_rules(settings, telemetry),
            admin_key=await trio.to_thread.run_sync(admin_key, settings),
            tokens=await trio.to_thread.run_sync(_make_tokens, settings),
            livekit_url=settings.livekit.url,
        )
