"""Sends an utterance's audio to the client, at the listener's pace, and waits until it was heard.

    synthesis ─> KeptAudio ─────────────> outbox ─> connection ─> client
                  │   ^ played: forgotten   ^ at most `max_ahead` before what is heard
                  └── a client that comes back says what it has, and the sending goes on there

Audio is sent in steps of a tenth of `max_ahead`: a player that waits for more has nearly all of it, and this task wakes
about once a second.
"""

import math
from functools import partial

import trio

from voicetrio.core.config import SessionLimits
from voicetrio.core.playback import Playback
from voicetrio.session.line import Attachment
from voicetrio.session.outbox import Outbox
from voicetrio.session.ports import Telemetry
from voicetrio.session.utterance import SpokenPiece, Utterance

FRAME = 0.2
"""Seconds of audio in one message at most, if it was not made in larger parts: what is on its way when somebody
interrupts is made in vain, and a slow line gives the first sound only with the end of its message."""

STEPS = 10
"""In so many steps `max_ahead` is sent."""


class Playout:
    def __init__(self, *, outbox: Outbox, limits: SessionLimits, telemetry: Telemetry) -> None:
        self._outbox = outbox
        self._limits = limits
        self._telemetry = telemetry

    async def run(self, utterance: Utterance) -> None:
        """Until all that is made was heard. Nothing is told after a wait in which the utterance was stopped."""
        while True:
            now = trio.current_time()
            due = self._next_due(utterance, now)
            if due <= now:
                await self._outbox.wait_audio_room(self._frame_bytes(utterance))
                if utterance.over.is_set():
                    await trio.lowlevel.checkpoint()  # cancelled, in the very moment in which there was room
                self._put_step(utterance)
                continue
            if utterance.all_made:
                heard_at = self._end(utterance, now)
                if heard_at <= now:
                    return
                due = min(due, heard_at)
            with trio.move_on_at(due):
                await utterance.reported.wait()
            if utterance.over.is_set():
                await trio.lowlevel.checkpoint()

    def _next_due(self, utterance: Utterance, now: float) -> float:
        """When the next step may be sent; `math.inf`: when more is known."""
        playback = utterance.playback
        if playback is None or utterance.position >= utterance.audio.made:
            return math.inf
        enough = utterance.position + self._step(utterance, playback) - self._ahead(playback)
        return now if enough <= 0 else playback.expected_at(enough, now=now)

    def _ahead(self, playback: Playback) -> int:
        return int(self._limits.max_ahead * playback.sample_rate)

    def _step(self, utterance: Utterance, playback: Playback) -> int:
        return max(1, min(self._ahead(playback) // STEPS, utterance.audio.made - utterance.position))

    def _put_step(self, utterance: Utterance) -> None:
        playback = utterance.playback
        if playback is None:
            return
        now = trio.current_time()
        forget_heard(utterance, now)
        if self._next_due(utterance, now) > now:
            return
        end = utterance.position + self._step(utterance, playback)
        frame = int(FRAME * playback.sample_rate)
        while utterance.position < end and self._outbox.has_audio_room(self._frame_bytes(utterance)):
            self._put_frame(utterance, playback, min(end, utterance.position + frame))

    def _frame_bytes(self, utterance: Utterance) -> int:
        return (
            0 if utterance.format is None else int(FRAME * utterance.format.sample_rate) * utterance.format.sample_bytes
        )

    def _put_frame(self, utterance: Utterance, playback: Playback, end: int) -> None:
        """Up to `end` at most, and not into the next piece of the text, which is announced first."""
        begins = [piece for piece in utterance.pieces if piece.start <= utterance.position]
        end = min([end, *(piece.start for piece in utterance.pieces if piece.start > utterance.position)])
        for piece in begins:
            self._announce(utterance, piece, playback)
        audio = utterance.audio.read(utterance.position, end)
        assert utterance.format is not None
        samples = len(audio) // utterance.format.sample_bytes
        utterance.position += samples
        self._outbox.put_audio(
            audio,
            on_written=partial(self._note_written, utterance, samples),
            on_arrived=partial(self._note_arrived, utterance, utterance.position),
        )

    def _announce(self, utterance: Utterance, piece: SpokenPiece, playback: Playback) -> None:
        if piece.announced:
            return
        piece.announced = True
        about: dict[str, object] = {"request_id": utterance.request_id}
        if utterance.turn_id is not None:
            about["turn_id"] = utterance.turn_id
        offset_ms = playback.milliseconds(piece.start)
        self._outbox.post({"type": "tts.speaking_text", **about, "text": piece.text, "offset_ms": offset_ms})

    def _note_written(self, utterance: Utterance, samples: int) -> None:
        """The connection has taken this audio: from now on it can be heard."""
        playback = utterance.playback
        if playback is None:
            return
        now = trio.current_time()
        first = playback.sent == 0
        _begin_pieces(utterance, playback, playback.reach + samples)
        playback.extend(samples, now=now)
        if first:
            self._note_first(utterance, now)
        utterance.wake()

    def _note_first(self, utterance: Utterance, now: float) -> None:
        self._telemetry.first_speech(now - utterance.asked_at)
        if utterance.on_first_sound is not None:
            utterance.on_first_sound()

    def _note_arrived(self, utterance: Utterance, position: int) -> None:
        if utterance.playback is not None:
            utterance.playback.arrived(position, now=trio.current_time())
            utterance.wake()

    # -- a client that comes back -------------------------------------------------------------------------------------

    def resume(self, utterance: Utterance, attachment: Attachment) -> bool:
        """Go on where the client's audio ends, over a new connection. False: that is not known, or not kept any more."""
        playback = utterance.playback
        assert playback is not None
        assert utterance.format is not None
        doubtful = self._outbox.drop_audio() // utterance.format.sample_bytes
        place = self._place(utterance, playback, attachment, doubtful)
        if place is None or place < utterance.audio.kept_from:
            return False
        _begin_pieces(utterance, playback, place)
        playback.go_on(place, confirms=self._outbox.confirms, now=trio.current_time())
        utterance.position = place
        if place < utterance.audio.made:
            self._outbox.withdraw(utterance.end_tag)
            utterance.end_announced = False
        if attachment.speech is not None:
            self._outbox.post(
                {
                    "type": "tts.speaking_resumed",
                    "request_id": utterance.request_id,
                    "sample_rate": utterance.format.sample_rate,
                    "encoding": utterance.format.encoding,
                    "start_sample": place,
                },
                owed=True,
            )
        utterance.wake()
        return True

    def _place(self, utterance: Utterance, playback: Playback, attachment: Attachment, doubtful: int) -> int | None:
        """`doubtful` samples were being sent when the connection broke."""
        if self._outbox.holds(utterance.start_tag):
            return 0  # it has never heard of this utterance
        if attachment.speech is None:
            return playback.reach if playback.surely_arrived and doubtful == 0 else None
        if attachment.speech.request_id != utterance.request_id:
            return 0
        return min(attachment.speech.samples, max(playback.sent, playback.reach + doubtful))

    # -- the end ------------------------------------------------------------------------------------------------------

    def _end(self, utterance: Utterance, now: float) -> float:
        """All is made: tell when all was sent. Returns when it will have been heard."""
        playback = utterance.playback
        if playback is None:
            return -math.inf
        if playback.reach < utterance.audio.made:
            return math.inf
        playback.finish(whole=not utterance.failed)
        self.announce_end(utterance, playback, cancelled=utterance.failed)
        return playback.completes_at(now=now)

    def announce_end(self, utterance: Utterance, playback: Playback, *, cancelled: bool) -> None:
        """All audio has been sent that will be; `cancelled`: that is not the whole text."""
        if utterance.end_announced:
            return
        utterance.end_announced = True
        message: dict[str, object] = {
            "type": "tts.speaking_end",
            "request_id": utterance.request_id,
            "duration_ms": playback.milliseconds(playback.sent),
            "cancelled": cancelled,
        }
        if utterance.failed:
            message["failed"] = True
        self._outbox.post(message, owed=True, tag=utterance.end_tag)


def forget_heard(utterance: Utterance, now: float) -> None:
    """Nobody will ask for it again."""
    if utterance.playback is not None:
        utterance.audio.forget_before(min(utterance.playback.needed_from(now=now), utterance.position))


def _begin_pieces(utterance: Utterance, playback: Playback, end: int) -> None:
    """Those whose audio begins before `end` count as said from there on."""
    while utterance.pieces and utterance.pieces[0].start < end:
        piece = utterance.pieces.pop(0)
        playback.begin_piece(piece.text, piece.marks, start=piece.start)
