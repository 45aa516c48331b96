"""The client's pace, judged by the server's own measure: whoever keeps to what it was told is never told to slow down."""

import random

import pytest

from voicetrio.cli.pacing import Pacer, sending_rate
from voicetrio.cli.ticket import ServerLimits
from voicetrio.core.backpressure import Backpressure

FRAME_S = 0.1
FRAME_SAMPLES = 1600


@pytest.mark.parametrize("stalls_s", [(), (0.3, 2.0, 7.0)])
@pytest.mark.parametrize("real_time", [True, False])
@pytest.mark.parametrize("max_rate", [1.2, 8.0])
def test_a_paced_client_is_left_alone_on_a_network_that_moves_frames_about(max_rate, real_time, stalls_s):
    chance = random.Random(1)
    server = Backpressure(max_rate=max_rate)
    pacer = Pacer(0.0, real_time=real_time, rate=sending_rate(ServerLimits(max_rate, 10.0, 15.0)))
    now = arrival = 0.0
    for frame in range(2000):
        now = max(now, pacer.due(frame * FRAME_S, FRAME_S))
        if stalls_s and chance.random() < 0.02:
            now += chance.choice(stalls_s)
        pacer.sent(now)
        arrival = max(arrival, now + chance.uniform(0.0, 0.1))
        assert server.admit(FRAME_SAMPLES, backlog=0, room=FRAME_SAMPLES, now=arrival)
        assert server.take_actions() == []
