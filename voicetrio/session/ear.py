"""From a client's audio to segments: decode, write to the ring, detect speech, open and end segments.

All of it is synchronous, so that nothing can change between a decision and its effect. What it decides is told through
the `EarEvents` callbacks; waiting for room in the ring is the business of whoever feeds it.

There are two clocks of samples. The ring's positions are what everything in a session is measured in; the client's own
audio clock, which is what messages speak of, also counts audio that was never taken into the ring (`miss`).

While muted, audio is not looked at, but its time passes: silence takes its place in the ring, so that positions stay
those of the client's own audio. Muting ends an open segment; unmuting starts the detector afresh, and no later segment
reaches back into what was muted.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from voicetrio.core.audio_clock import AudioClock
from voicetrio.core.config import SAMPLE_RATE, SessionConfig, SessionLimits, endpoint_rule
from voicetrio.core.endpointing import FRAME_SAMPLES, Endpointer, SpeechEnded, SpeechStarted
from voicetrio.core.pcm import InputDecoder
from voicetrio.core.ring import SAMPLE_BYTES, RingBuffer
from voicetrio.core.segments import Segments
from voicetrio.session.ports import Telemetry, VoiceDetector

_FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES


class EarEvents(Protocol):
    """Who is told. The calls come from inside the ear: they must only note and post."""

    def speech_started(self, at_sample: int) -> None: ...
    def speech_ended(self, at_sample: int) -> None: ...
    def speech_confirmed(self) -> None:
        """There was enough voice in the speech that goes on to interrupt somebody; once in a speech."""
        ...

    def audio_added(self) -> None:
        """An open segment has more audio, or has ended."""
        ...


class Ear:
    def __init__(
        self,
        config: SessionConfig,
        limits: SessionLimits,
        *,
        make_detector: Callable[[str], VoiceDetector],
        events: EarEvents,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        """`make_detector` is given the sensitivity; `clock` gives seconds of a monotonic clock."""
        self._limits = limits
        self._make_detector = make_detector
        self._events = events
        self._telemetry = telemetry
        self._now = clock
        self._force_commit = False
        self.ring = RingBuffer(on_force_commit=self._note_force_commit)
        self.segments = Segments(
            pre_roll=int(limits.pre_roll * SAMPLE_RATE),
            max_duration=int(config.max_segment_seconds * SAMPLE_RATE),
        )
        self.clock = AudioClock()
        self._pending = b""
        self._mutes = 0
        self._config = config
        self._decoder = InputDecoder(config.input_format)
        self._decoder_since = 0
        self._detector = make_detector(config.vad_sensitivity)
        self._endpointer = Endpointer(endpoint_rule(config.vad_sensitivity, limits.end_silence))
        self._listening_from = 0
        self._confirm_frames = _confirm_frames(config)
        self._confirmed = True

    @property
    def muted(self) -> bool:
        return self._mutes > 0

    @property
    def speaking(self) -> bool:
        """Whether the detector believes that somebody is speaking."""
        return self._endpointer.speaking

    @property
    def position_ms(self) -> int:
        """Where the next audio begins, in milliseconds of the client's audio clock, rounded down."""
        return self.clock.position(self.ring.head) * 1000 // SAMPLE_RATE

    def decode(self, frame: bytes) -> bytes:
        """A client's frame, of any length, as 16 kHz PCM."""
        return self._decoder.decode(frame)

    def resume(self) -> int:
        """The client has come back. Returns where it has to go on, in milliseconds of its audio clock.

        What it then sends again, less than a millisecond, is not heard twice.
        """
        since_ms = self._decoder_since * 1000 / SAMPLE_RATE
        rate = self._config.input_sample_rate
        next_ms = int(since_ms + self._decoder.received * 1000 / rate)
        self._decoder.skip(self._decoder.received - max(0, int((next_ms - since_ms) * rate / 1000)))
        return next_ms

    def miss(self, samples: int) -> None:
        """The client has sent so much audio that was not taken: its clock goes on, and the segment is cut there."""
        if self.segments.open is not None:
            self._cut(self.ring.head)
            self._events.audio_added()
        self.clock.skip(self.ring.head, samples)

    def hear(self, pcm: bytes) -> None:
        """Take decoded audio; the ring must have room for it.

        Raises:
            BufferOverrunError: it has not: the caller did not wait. Nothing was taken.
        """
        if self._mutes > 0:
            self.ring.write_silence(len(pcm) // SAMPLE_BYTES)
            self._telemetry.muted_frame()
            self.segments.forbid_before(self.ring.head)
            self._release()
            return
        self.ring.write(pcm)
        if not self._pending and len(pcm) == _FRAME_BYTES:
            self._detect(pcm)  # the common case: nothing is copied
        else:
            data = self._pending + pcm
            whole = len(data) - len(data) % _FRAME_BYTES
            for start in range(0, whole, _FRAME_BYTES):
                self._detect(data[start : start + _FRAME_BYTES])
            self._pending = data[whole:]
        self._grow()

    def _detect(self, frame: bytes) -> None:
        match self._endpointer.push(self._detector.is_speech(frame)):
            case None:
                if self._confirmed or self._endpointer.voiced_frames < self._confirm_frames:
                    return
                self._confirmed = True
                self._events.speech_confirmed()
            case SpeechStarted(frame_start):
                at_sample = self._asked_about(frame_start)
                self._telemetry.vad_event("speech_start")
                self.segments.begin(at_sample)
                self._confirmed = False
                self._events.speech_started(at_sample)
            case SpeechEnded(frame_end):
                at_sample = self._asked_about(frame_end)
                self._confirmed = True
                self._telemetry.vad_event("speech_end")
                self._end_segment(self._endpointer.position)
                self._events.speech_ended(at_sample)

    def _asked_about(self, position: int) -> int:
        """Where the audio was that the detector has answered about when the endpointer was at `position`.

        Not before what is listened to now, which the first answers of a detector with a lag are about.
        """
        return max(self._listening_from, position - self._detector.lag)

    def _end_segment(self, at_sample: int) -> None:
        """At the frame that decided, not at the ring's head: what follows in the same message may be speech again."""
        segment = self.segments.open
        if segment is None:
            return
        if self.ring.head <= segment.start:
            self.segments.discard_open()  # a cut, and then nothing more
        else:
            self.segments.end(max(segment.start, min(at_sample, self.ring.head)), now=self._now())

    def _grow(self) -> None:
        head = self.ring.head
        if self._force_commit or self.segments.too_long(head):
            if self._force_commit:
                self._telemetry.force_commit()
            self._force_commit = False
            self._cut(head)
        if self.segments.pending:
            self._events.audio_added()
        self._release()

    def _cut(self, head: int) -> None:
        segment = self.segments.open
        if segment is not None and head > segment.start:
            self.segments.split(head, now=self._now())

    def _release(self) -> None:
        self.ring.commit(self.segments.needed_from(self.ring.head))
        self.clock.forget_before(self.ring.fence)

    def _note_force_commit(self) -> None:
        self._force_commit = True

    def settled(self) -> None:
        """A segment has had its final: its audio may be overwritten."""
        self._release()

    def commit_segment(self) -> bool:
        """End the current segment now; speech that goes on opens the next one without a hole. False: none is open."""
        if self.segments.open is None:
            return False
        self._cut(self.ring.head)
        self._events.audio_added()
        return True

    def finish(self) -> None:
        """No more audio will come: what is open ends here."""
        self._hear_rest(self._decoder.flush())
        self._stop()

    def pause(self) -> None:
        """The client has stopped sending in the middle of a speech: it ends here, and later audio starts afresh."""
        self._stop()
        if self._detector.lag > 0:  # its next answers would be about what was said before
            self._detector = self._make_detector(self._config.vad_sensitivity)

    def _hear_rest(self, pcm: bytes) -> None:
        samples = len(pcm) // SAMPLE_BYTES
        if samples <= self.ring.free:
            self.hear(pcm)
        else:
            self.miss(samples)

    def _stop(self) -> None:
        """End an open segment and forget the detector's history."""
        speaking = self._endpointer.speaking
        head = self.ring.head
        self._confirmed = True
        self._pending = b""
        self._endpointer.reset(at_sample=head)
        self._listening_from = head
        if self.segments.open is not None:
            self._end_segment(head)
            if speaking:
                self._telemetry.vad_event("speech_end")
                self._events.speech_ended(head)
            self._events.audio_added()

    @contextmanager
    def mute(self) -> Iterator[None]:
        """Nobody is heard inside. Nests; left on every way out."""
        if self._mutes == 0:
            self._stop()
        self._mutes += 1
        try:
            yield
        finally:
            self._mutes -= 1
            if self._mutes == 0:
                self.segments.forbid_before(self.ring.head)
                self._endpointer.reset(at_sample=self.ring.head)
                self._listening_from = self.ring.head
                self._detector = self._make_detector(self._config.vad_sensitivity)

    def configure(self, config: SessionConfig) -> None:
        """Use other values from the next frame on; an open segment goes on."""
        old, self._config = self._config, config
        self._confirm_frames = _confirm_frames(config)
        self.segments.max_duration = int(config.max_segment_seconds * SAMPLE_RATE)
        if old.input_format != config.input_format:
            self._hear_rest(self._decoder.flush())
            self._decoder = InputDecoder(config.input_format)
            self._decoder_since = self.clock.position(self.ring.head)
        if old.vad_sensitivity != config.vad_sensitivity:
            self._stop()
            self._detector = self._make_detector(config.vad_sensitivity)
            self._endpointer = Endpointer(
                endpoint_rule(config.vad_sensitivity, self._limits.end_silence), at_sample=self.ring.head
            )


def _confirm_frames(config: SessionConfig) -> int:
    return max(1, round(config.barge_in_min * SAMPLE_RATE / FRAME_SAMPLES))
