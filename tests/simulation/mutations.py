"""Deliberate bugs: each is one edit of the session's code that some seed must notice. They show that the checkers bite.

The old text must occur exactly once in its file. When that changes, change it here, to the same bug in the new code.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    name: str
    file: str
    """In `voicetrio/`."""
    old: str
    new: str
    first: int = 0
    """The seed to begin with: one that noticed it, where that took many. Only time depends on it."""


MUTATIONS = (
    Mutation(
        "a final is taken whatever segment it is about",
        "session/answers.py",
        "if oldest is None or oldest.segment_id != hypothesis.segment_id or oldest.end is None:",
        "if oldest is None or oldest.end is None:",
    ),
    Mutation(
        "a new stream gets only what comes next: nothing is sent again",
        "session/delivery.py",
        "self._committed = checkpoint.buffer_offset",
        "self._committed = ring.head",
    ),
    Mutation(
        "audio is given up although its segment waits for a final",
        "core/segments.py",
        "            return self._pending[0].start\n",
        "            return self._pending[-1].start\n",
    ),
    Mutation(
        "a cut loses a sample",
        "core/segments.py",
        "segment = Segment(self._next_id, at)",
        "segment = Segment(self._next_id, at + 1)",
    ),
    Mutation(
        "a segment has no pre-roll",
        "core/segments.py",
        "max(onset - self.pre_roll, self._floor)",
        "max(onset, self._floor)",
    ),
    Mutation(
        "the ear stays shut when an utterance fails",
        "session/speaker.py",
        "        with utterance.audible:  #",
        '        with utterance.audible if outcome == "completed" else trio.CancelScope():  #',
    ),
    Mutation(
        "a segment may reach back into what was muted",
        "core/segments.py",
        "        self._floor = max(self._floor, sample)\n",
        "        assert sample >= 0\n",
    ),
    Mutation(
        "what is said while the server speaks is heard",
        "session/ear.py",
        "        if self._mutes > 0:\n            self.ring.write_silence",
        "        if self._mutes > 1:\n            self.ring.write_silence",
    ),
    Mutation(
        "the ear opens when synthesis ends",
        "session/playout.py",
        "        return playback.completes_at(now=now)\n",
        "        return now\n",
    ),
    Mutation(
        "a partial may take back words",
        "core/transcript.py",
        "if agrees and len(stable) > len(self._confirmed):",
        "if True:",
    ),
    Mutation(
        "HOLD keeps the worker's slot",
        "session/session.py",
        "                self._body.recognition.release()\n",
        "",
    ),
    Mutation(
        "time passes while the server speaks",
        "core/states.py",
        "if self._pauses > 0 and",
        "if self._pauses > 9 and",
    ),
    Mutation(
        "a long silence ends the session instead of holding it",
        "core/states.py",
        "(State.SILENCE, Trigger.TIMEOUT): State.HOLD,",
        "(State.SILENCE, Trigger.TIMEOUT): State.CLOSING,",
    ),
    Mutation(
        "the last final is not waited for",
        "session/session.py",
        "        await self._body.recognition.wait_idle()\n",
        "        await trio.lowlevel.checkpoint()\n",
    ),
    Mutation(
        "nothing is repeated after a resume",
        "session/outbox.py",
        "            self._repeat_from(attachment.received)\n",
        "",
    ),
    Mutation(
        "a resume repeats one message too many",
        "session/outbox.py",
        "while self._log and self._log[-1][0] > received:",
        "while self._log and self._log[-1][0] >= received:",
    ),
    Mutation(
        "a client that comes back goes on one frame too far",
        "session/ear.py",
        "        return next_ms\n",
        "        return next_ms + 20\n",
    ),
    Mutation(
        "a sample that is cut between two frames is lost",
        "core/pcm.py",
        "        self._half = frame[whole:]\n",
        "",
    ),
    Mutation(
        "a session ends without a close code",
        "session/line.py",
        "            self._current.end(end)\n",
        "            self._current.end(None)\n",
    ),
    Mutation(
        "audio that was not taken does not count as time",
        "session/ear.py",
        "        self.clock.skip(self.ring.head, samples)\n",
        "",
        first=55,
    ),
    Mutation(
        "audio that the network held up is a burst",
        "core/backpressure.py",
        "LATE = 30.0",
        "LATE = 0.5",
        first=130,
    ),
    Mutation(
        "asked to slow down again and again",
        "core/backpressure.py",
        "COOLDOWN = 1.0",
        "COOLDOWN = 0.3",
    ),
    Mutation(
        "the end of the agent's stream ends the speech",
        "session/conversation.py",
        "            await turn.utterance.over.wait()\n",
        '            self._speaker.cancel(turn.utterance.request_id, reason="closed")\n',
    ),
    Mutation(
        "an end is told by whoever stops it and by its task",
        "session/speaker.py",
        "        if utterance.over.is_set():\n            return\n        if utterance.failed",
        "        if utterance.failed",
    ),
    Mutation(
        "a word that was begun counts as heard",
        "core/playback.py",
        "begun = [mark.text_offset for mark",
        "begun = [mark.text_offset + mark.text_length for mark",
    ),
    Mutation(
        "the history keeps the whole of a reply that was interrupted",
        "session/conversation.py",
        "exchange.spoken, exchange.heard = utterance.spoken, utterance.heard_text",
        'exchange.spoken, exchange.heard = utterance.spoken, turn.reply or ""',
    ),
    Mutation(
        "an interruption does not stop the agent",
        "session/conversation.py",
        '        self._end(turn, "interrupted")\n        turn.scope.cancel(reason=reason)\n',
        '        self._end(turn, "interrupted")\n',
    ),
    Mutation(
        "what is queued of an interrupted utterance is played",
        "session/speaker.py",
        "            self._outbox.drop_audio()\n",
        "",
        first=820,
    ),
    Mutation(
        "nothing goes on after a false alarm",
        "session/barge_in.py",
        "if paused is None or not self._speaker.resume(paused):",
        "if paused is None:",
    ),
    Mutation(
        "a listener's mhm is a message",
        "session/turn_taking.py",
        "elif text.strip() and not aside:",
        "elif text.strip():",
    ),
    Mutation(
        "a turn that was withdrawn is told",
        "session/conversation.py",
        '        turn.over = True\n        turn.scope.cancel(reason="the user goes on")\n',
        '        turn.certain.set()\n        turn.scope.cancel(reason="the user goes on")\n',
        first=70,
    ),
    Mutation(
        "a turn that was withdrawn stays in the history",
        "session/conversation.py",
        '        turn.over = True\n        turn.scope.cancel(reason="the user goes on")\n',
        '        turn.over = True\n        self.history.add(Exchange(turn.turn_id, "voice", turn.text, 0))\n'
        '        turn.scope.cancel(reason="the user goes on")\n',
        first=70,
    ),
    Mutation(
        "what an agent says early is passed on at once",
        "session/conversation.py",
        "            await turn.certain.wait()\n",
        "            pass\n",
    ),
    Mutation(
        "an interruption is told twice",
        "session/conversation.py",
        "                    self._interruption = None  # it knows\n",
        "                    pass\n",
    ),
    Mutation(
        "nobody is heard after an interruption",
        "session/speaker.py",
        "        with utterance.audible:",
        '        if outcome != "interrupted":\n            utterance.audible.close()\n        if True:',
    ),
    Mutation(
        "time goes on while the player is paused",
        "core/playback.py",
        "return now if self._paused_at is None else min(now, self._paused_at)",
        "return now",
    ),
    Mutation(
        "what the listener waited for counts as heard",
        "core/playback.py",
        "        self._anchor = (self._clock(now), samples)\n",
        "        pass\n",
        first=12,
    ),
    Mutation(
        "the end of a piece stays in the resampler",
        "session/performance.py",
        "utterance.audio.append(encoder.flush())",
        "encoder.flush()",
    ),
    Mutation(
        "half of the voice interrupts",
        "session/ear.py",
        "self._endpointer.voiced_frames < self._confirm_frames:",
        "self._endpointer.voiced_frames < self._confirm_frames // 2:",
    ),
    Mutation(
        "enough voice is noticed late",
        "session/ear.py",
        "self._endpointer.voiced_frames < self._confirm_frames:",
        "self._endpointer.voiced_frames < self._confirm_frames + 8:",
    ),
    Mutation(
        "an agent that falls silent in the middle is waited for",
        "session/patience.py",
        "min(self._silence, self._left)",
        "self._left",
        first=22,
    ),
    Mutation(
        "an answer without end is waited for",
        "session/patience.py",
        "min(self._silence, self._left)",
        "self._silence",
        first=200,
    ),
    Mutation(
        "what is no event is no sign of life",
        "session/conversation.py",
        "                    patience.heard()\n",
        "                    if not isinstance(item, AgentAlive):\n                        patience.heard()\n",
    ),
    Mutation(
        "each fault of an agent is told",
        "session/conversation.py",
        "        if code in turn.complaints:\n",
        "        if code in ():\n",
    ),
    Mutation(
        "an agent may have no end of faults",
        "session/conversation.py",
        "turn.faults >= MAX_FAULTS:",
        "turn.faults >= 1000:",
    ),
    Mutation(
        "a dialog whose name is no session's is forgotten",
        "session/identity.py",
        "        self._dialog_id = dialog_id\n        self._log.warning(",
        "        self._log.warning(",
    ),
    Mutation(
        "a reply is made as quickly as it is written",
        "session/performance.py",
        "                await self._wait_ahead(utterance)\n",
        "",
        first=90,
    ),
    Mutation(
        "what was asked is asked again",
        "session/turn_taking.py",
        "        self._said = [one for one in self._said if one not in said]\n",
        "        assert said\n",
    ),
    Mutation(
        "a worker that owes an answer and has frozen is never left",
        "session/delivery.py",
        "self._heard_at > self._limits.worker_silence:",
        "self._heard_at > 1000:",
        first=100,
    ),
    Mutation(
        "a worker that drains is never left",
        "session/delivery.py",
        "                    self.draining.set()\n",
        "                    pass\n",
    ),
    Mutation(
        "a segment that takes long is not moved",
        "session/delivery.py",
        "        await trio.sleep_until(self._leave_at)\n",
        "        await trio.sleep_forever()\n",
        first=140,
    ),
    Mutation(
        "speech goes on where the socket stopped, and not where the client's ends",
        "session/playout.py",
        "        utterance.position = place\n",
        "        utterance.position = place = max(place, playback.sent)\n",
    ),
    Mutation(
        "speech is sent far ahead of the listener",
        "session/playout.py",
        "return int(self._limits.max_ahead * playback.sample_rate)",
        "return int(4 * self._limits.max_ahead * playback.sample_rate)",
        first=48,
    ),
    Mutation(
        "what a socket took counts as heard",
        "core/playback.py",
        "return self.reach if self.arrived is None else min(self.reach, self.arrived)",
        "return self.reach",
    ),
    Mutation(
        "the estimate goes on while nobody is connected",
        "core/playback.py",
        "        self._line.lost_at = min(self._line.lost_at, alive_at)\n",
        "        assert alive_at >= 0\n",
        first=110,
    ),
    Mutation(
        "a client that does not say what it has is believed to have it all",
        "session/playout.py",
        "if playback.surely_arrived and doubtful == 0 else None",
        "if True else None",
        first=40,
    ),
    Mutation(
        "heard_text ends inside of words",
        "core/playback.py",
        "if whole := whole_tokens(piece.text, max(begun, default=0)):",
        "if whole := max(begun, default=0):",
    ),
    Mutation(
        "an overload does not end the session",
        "session/body.py",
        "            self._life.end(OVERLOADED)\n",
        "            pass\n",
        first=105,
    ),
    Mutation(
        "what engines die of is tried for ever",
        "session/recognition.py",
        "        segment.crashes += 1\n",
        "        segment.crashes = 1\n",
        first=125,
    ),
    Mutation(
        "what engines die of is given up with its neighbours in the batch",
        "session/recognition.py",
        "alone=any(segment.crashes for segment in self._segments.pending),",
        "alone=False,",
    ),
    Mutation(
        "a close gives up while the worker that owes the last words says nothing",
        "session/session.py",
        "if self._flush_has_time():",
        "if False:",
        first=365,
    ),
    Mutation(
        "a worker that does not take what it is sent is waited for",
        "session/delivery.py",
        " and not self._sending and",
        " and",
        first=820,
    ),
    Mutation(
        "who talks live is asked to slow down when an engine hangs",
        "session/recognition.py",
        "            excused += int(quiet * SAMPLE_RATE)\n",
        "            excused += 0\n",
        first=690,
    ),
)
