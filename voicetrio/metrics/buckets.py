"""The upper borders of the histograms: each list spans what its value can be here, and has a border where one is decided.

A value on a border belongs below it. So a limit of our own (a timeout) that is to be told apart from what lies beyond it
has its border a little after it: whoever waits until 10 s is up is never done at 10.000 s.
"""

FIRST_PARTIAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 11.0, 22.0)
"""Seconds from the detected start of speech. Audio goes to the worker every 0.1 s, and a first word takes 0.1 to 0.5 s to be
said, or twice that where the next one confirms it: densest up to 1.5 s (measured: 0.2 s with the instant engine, 0.75 to
1.5 s with pocketsphinx). 3 s: people wonder whether they are heard. 11 and 22 s: as with finals."""

FINAL_DELAY = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 11.0, 22.0)
"""Seconds from the decided end of speech (after `session.end_silence`) to the final on the wire. 2 ms: our own delay on an
idle machine. 10 and 50 ms: its budgets for p50 and p99. 0.1 to 2.5 s: what real engines take (pocketsphinx: 0.2 to 0.5 s
for a sentence); in conversation, 0.2 s is at once and 1 s is a pause. 11 s: another worker was found within the recovery
timeout of 10 s. 22 s: after one that had first said nothing for 10 s. Beyond: one that is slow, and said so."""

WORKER_RECOVERY = (0.06, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 3.5, 5.0, 7.5, 10.0, 20.0)
"""Seconds from a broken stream to audio on another. 0.06 s: the first attempt, after a pause of 50 ms. 0.5 s: the budget.
1 to 5 s: a local worker that restarts and loads its model. 10 s: the recovery timeout, which no attempt begins after;
20 s: one that was slow to open."""

WORKER_START = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0)
"""Seconds from the start of a local worker until it is ready. 0.5 s: the instant engine. 1 to 3 s: the models that come
along. 5 s: `workers.restart_budget`, which sessions count on. 10 to 50 s: large models, up to `workers.start_timeout`."""

FIRST_SPEECH = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.5, 30.0, 60.0)
"""Seconds from the request. 2 and 5 ms: the instant engine and espeak-ng (4 ms) on an idle machine. Up to 1 s: room for
larger voices. 10.5 s: a silent worker is given up after 10 s. Beyond: a text that waited for its turn, until those before
it had been heard."""

AGENT_FIRST_TEXT = (0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 61.0)
"""Seconds from the end of the user's turn to the agent's first words. 5 ms: the embedded agent. 0.1 to 2.5 s: models on
machines near and far, densest where a conversation feels it. 10 to 30 s: one that had to be loaded first. 61 s: an agent
that says nothing is given up after 60 s."""

VOICE_TO_VOICE = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 61.0)
"""Seconds from the end of speech to the first sound of the answer. People answer each other within 0.2 s, take 0.5 to 1 s
for thoughtful and 2 s for slow; half a second of it is endpointing. Beyond: as with the agent's first words."""

CONFIDENCE = (0.2, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 1.0)
"""0 to 1, a final's mean. Engines are sure of most words (pocketsphinx gives our recordings, which it gets right, 0.49 to
0.90; the instant engine always 1), so the borders get closer towards 1. Below 0.4 a text is a guess, and more borders
would say no more. Nothing is above 1."""

SESSION_DURATION = (1, 5, 15, 35, 60, 120, 300, 400, 600, 1200, 1800, 3600, 7200, 14_400, 28_800)
"""Seconds. 1 s: a client that fails at once. 5 and 15 s: a command, a file. 35 s: nobody spoke (INIT's 30 s, and a farewell
of up to 2 s). 60 to 300 s: calls. 400 s: a few words, and the line was left open (SILENCE's 30 s and HOLD's 300 s). Up to
8 h: meetings, and lines that are open for a working day."""

VAD_BATCH = (1, 2, 4, 8, 16, 32, 64)
"""Windows; a call takes 64 at most. One costs half as much among eight as alone, and hardly less among more."""
