"""The voice detector that the settings ask for, ready for every session."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

import trio

from voicetrio.session.ports import VoiceDetector
from voicetrio.vad.batches import RoomTelemetry, open_room
from voicetrio.vad.silero import SileroDetector
from voicetrio.vad.silero_model import load_model
from voicetrio.vad.webrtc import WebRtcDetector


@asynccontextmanager
async def open_detectors(
    kind: Literal["webrtc", "silero"], telemetry: RoomTelemetry
) -> AsyncIterator[Callable[[str], VoiceDetector]]:
    """What makes a session's detector, given the sensitivity; those of silero are decided together inside.

    Raises:
        ConfigError: what silero needs is not installed.
    """
    if kind == "webrtc":
        yield WebRtcDetector
        return
    model = await trio.to_thread.run_sync(load_model)
    async with open_room(model, telemetry) as room:
        yield partial(SileroDetector, room=room)
