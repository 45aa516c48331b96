"""Looks once a second at what no other task of a session would notice.

- A send that does not return: the client has stopped reading, and the session gives up.
- A speech whose audio stays away, as with a push-to-talk button: no silence would ever end it, and ACTIVE has no timeout.
"""

from collections.abc import Callable

import trio

CHECK = 1.0
"""Seconds between looks."""

LULL = 5.0
"""Seconds without audio in the middle of a speech that end it. Longer than the gaps of a mobile network, which would
only cut the speech, without a hole."""


class Watch:
    def __init__(
        self,
        *,
        stalled_since: Callable[[], float | None],
        send_stall: float,
        give_up: Callable[[], None],
        waits_for_audio: Callable[[], bool],
        end_speech: Callable[[], None],
        no_audio: Callable[[], None],
    ) -> None:
        """`give_up` is called for a send that has taken longer than `send_stall` seconds; `no_audio` when none has come
        since the last look, and `end_speech` when none has come for the lull while `waits_for_audio`.
        """
        self._stalled_since = stalled_since
        self._send_stall = send_stall
        self._give_up = give_up
        self._waits_for_audio = waits_for_audio
        self._end_speech = end_speech
        self._no_audio = no_audio
        self._heard_at = self._waited_since = trio.current_time()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await trio.sleep(CHECK)
            since = self._stalled_since()
            if since is not None and trio.current_time() - since > self._send_stall:
                self._give_up()
            now = trio.current_time()
            if now - self._heard_at >= CHECK:
                self._no_audio()
            if not self._waits_for_audio():
                self._waited_since = now
            elif now - max(self._heard_at, self._waited_since) > LULL:
                self._end_speech()

    def audio_came(self, now: float) -> None:
        self._heard_at = now
