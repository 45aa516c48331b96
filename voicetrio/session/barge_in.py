"""Whether somebody who speaks while the server does interrupts it.

    speech starts      -> the listener's player pauses (full duplex only)
    enough voice       -> the answer is stopped: agent, synthesis and what is queued
    it ends before that -> a cough, or an "mhm": the player goes on where it stopped, and nothing was said

Somebody who goes on speaking while the agent still thinks takes the turn back, too, in full duplex or not: the answer
would be to half a question.
"""

from voicetrio.session.conversation import Conversation
from voicetrio.session.ports import Telemetry
from voicetrio.session.speaker import Speaker
from voicetrio.session.utterance import Utterance


class BargeIn:
    def __init__(self, *, speaker: Speaker, conversation: Conversation, telemetry: Telemetry) -> None:
        self._speaker = speaker
        self._conversation = conversation
        self._telemetry = telemetry
        self._paused: Utterance | None = None
        self._since = 0

    def speech_started(self, at_sample: int, *, full_duplex: bool) -> None:
        if full_duplex:
            self._paused = self._speaker.pause()
            self._since = at_sample

    def speech_confirmed(self, *, full_duplex: bool) -> None:
        """Stops, within this very frame, what is being said or thought of."""
        self._paused = None
        audible = self._speaker.audible
        turn = self._conversation.current
        thinking = audible is None and turn is not None and turn.source == "voice" and turn.certain.is_set()
        if thinking or (full_duplex and audible is not None):
            self._telemetry.barge_in("confirmed")
            self._conversation.interrupt("barge_in")

    def speech_ended(self) -> int | None:
        """Where the speech began, if it was none that counts: nothing but a false alarm."""
        paused, self._paused = self._paused, None
        if paused is None or not self._speaker.resume(paused):
            return None
        self._telemetry.barge_in("false_alarm")
        return self._since
