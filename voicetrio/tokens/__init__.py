"""Tokens with which clients join LiveKit rooms: who gets which room, and the signature under it.

livekit-api, which signs, brings an HTTP client for asyncio along. It is imported when keys are configured, and not before.
"""

from typing import TYPE_CHECKING

from voicetrio.tokens.config import TokenConfig
from voicetrio.tokens.desk import TokenDesk

if TYPE_CHECKING:
    from voicetrio.tokens.signer import Signer

__all__ = ["TokenConfig", "TokenDesk", "make_desk", "make_signer"]


def make_signer(config: TokenConfig) -> "Signer":
    """What signs with these keys. The import takes up to seconds: call it before the event loop starts, or in a thread."""
    from voicetrio.tokens.signer import Signer

    return Signer(config)


def make_desk(config: TokenConfig) -> TokenDesk:
    """What hands out tokens, signed with these keys. As slow as `make_signer`."""
    return TokenDesk(config, make_signer(config))
