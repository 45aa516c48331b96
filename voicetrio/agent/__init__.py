"""Speaks to agents: whoever thinks of an answer. Each kind is a file; `open_agent` makes the one that is configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voicetrio.agent.chat import ChatAgent
from voicetrio.agent.config import AgentConfig
from voicetrio.agent.embedded import EmbeddedAgent
from voicetrio.agent.request import open_poster
from voicetrio.agent.runtime import RuntimeAgent
from voicetrio.session.ports import Agent

__all__ = ["AgentConfig", "open_agent"]


@asynccontextmanager
async def open_agent(config: AgentConfig) -> AsyncIterator[Agent]:
    """The configured agent, for all sessions of a server. Nothing is connected until the first turn; leaving closes all."""
    match config.kind:
        case "embedded":
            yield EmbeddedAgent()
        case "runtime":
            async with open_poster(config) as poster:
                yield RuntimeAgent(config, poster)
        case "chat":
            async with open_poster(config) as poster:
                yield ChatAgent(config, poster)
