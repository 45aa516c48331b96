"""The widget's modules by themselves, in a page: ids, the backlog, states and lines."""

import numpy as np
import pytest

from .calling import run

pytestmark = [pytest.mark.slow, pytest.mark.browser]

RATE = 16_000


# -- session ids --------------------------------------------------------------------------------------------------------


def test_a_thousand_ids_are_a_thousand_and_all_letters_are_as_likely(plain_page):
    ids = run(plain_page, "call/session_id.js", "return Array.from({ length: 1000 }, m.newSessionId)")
    assert len(set(ids)) == 1000
    now = plain_page.evaluate("Date.now()")
    for each in ids:
        kind, time, letters = each.split("-")
        assert kind == "session"
        assert now - 60_000 < int(time) <= now
        assert len(letters) == 12
    assert len({each.rpartition("-")[2] for each in ids}) == 1000
    letters = run(
        plain_page,
        "call/session_id.js",
        "return Array.from({ length: 20000 }, () => m.newSessionId().slice(-12)).join('')",
    )
    counts = np.array([letters.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz0123456789"])
    assert counts.sum() == len(letters) == 240_000, "there is no other letter"
    chi_square = ((counts - len(letters) / 36) ** 2 / (len(letters) / 36)).sum()
    # 35 degrees of freedom: once in 10^9 by chance. A byte modulo 36 has 1.14 times as many of four letters: 600.
    assert chi_square < 115


# -- the backlog --------------------------------------------------------------------------------------------------------

_BACKLOG = """
const backlog = new m.AudioBacklog(1);  // keeps a second
let heard = 0;
const hear = (frames) => {
    for (; frames > 0; frames--, heard += 320) {
        backlog.push(Int16Array.from({ length: 320 }, (_, n) => (heard + n) % 30000));
    }
};
const send = (frames = Infinity) => {
    const sent = [];
    for (let part; frames-- > 0 && (part = backlog.next()); ) sent.push(...part);
    return sent;
};
"""


def numbers(start: int, end: int) -> list[int]:
    return [number % 30_000 for number in range(start, end)]  # 16 bits hold no more


def test_audio_goes_on_from_any_sample_that_is_kept(plain_page):
    first, again, gone, dropped = run(
        plain_page,
        "call/audio_backlog.js",
        _BACKLOG + "hear(40); const first = send(); hear(5); const gone = backlog.goTo(10001);"
        "return [first, send(), gone, backlog.dropped];",
    )
    assert first == numbers(0, 40 * 320)
    assert again == numbers(10_001, 45 * 320)
    assert (gone, dropped) == (0, 0)


def test_what_is_too_old_is_left_out_and_the_clock_goes_on_without_it(plain_page):
    gone, sent, gone_later, more = run(
        plain_page,
        "call/audio_backlog.js",
        _BACKLOG
        + "for (let n = 0; n < 100; n++) { hear(1); send(); } const gone = backlog.goTo(8000); const sent = send();"
        "hear(10); send(); const goneLater = backlog.goTo(8000 + sent.length); return [gone, sent, goneLater, send()];",
    )
    assert gone == 100 * 320 - RATE - 8000
    assert sent == numbers(100 * 320 - RATE, 100 * 320)
    assert gone_later == 0
    assert more == numbers(100 * 320, 110 * 320), "the server's clock and ours agree again"


def test_a_socket_that_takes_nothing_costs_the_oldest_audio_and_is_counted(plain_page):
    before, after, dropped, waiting, again = run(
        plain_page,
        "call/audio_backlog.js",
        _BACKLOG + "hear(10); const before = send(); hear(80); const after = send(30); const again = backlog.dropped;"
        "backlog.goTo(3200); return [before, after, again, backlog.waiting, send()];",
    )
    assert before == numbers(0, 3200)
    assert dropped == 30 * 320
    assert after == numbers((10 + 30) * 320, (10 + 30 + 30) * 320)
    assert waiting == 50 * 320
    assert again == numbers((10 + 30) * 320, 90 * 320), "3200 is where the server's clock stood"


# -- states and lines ---------------------------------------------------------------------------------------------------


def test_a_calls_states(plain_page):
    steps = run(
        plain_page,
        "call/call_state.js",
        """
        const state = new m.CallState(true);
        const steps = [state.at(0)];
        const step = (change, now) => { change(); steps.push(state.at(now)); };
        const note = (type, fields, now) => step(() => state.note({ type, ...fields }, now), now);
        step(() => { state.connected = true; }, 0);
        note("vad.speech_start", {}, 1000);
        note("vad.speech_end", {}, 2000);
        note("transcript.final", { text: "hello" }, 2100);
        note("turn.started", { turn_id: "t" }, 2500);
        step(() => {}, 60000);
        step(() => { state.playing = true; }, 60001);
        step(() => { state.cut = true; }, 60002);
        step(() => { state.cut = false; state.playing = false; }, 60003);
        note("turn.ended", { turn_id: "t" }, 60004);
        note("session.hold", {}, 70000);
        note("vad.speech_start", {}, 80000);
        note("vad.speech_end", {}, 80100);
        note("transcript.final", { text: "" }, 80200);
        note("vad.speech_start", {}, 90000);
        note("vad.speech_end", {}, 90100);
        step(() => {}, 94000);
        return steps;
        """,
    )
    assert steps == [
        *("connecting", "listening", "hearing", "thinking", "thinking", "thinking", "thinking", "speaking"),
        *("reconnecting", "listening", "listening", "hold", "hearing", "thinking", "listening"),
        *("hearing", "thinking", "listening"),
    ]


def test_lines_keep_their_ids_and_tell_what_was_heard(plain_page):
    lines = run(
        plain_page,
        "call/conversation.js",
        """
        const conversation = new m.Conversation();
        const seen = {};
        const take = (lines) => { for (const line of lines) seen[line.id] = line; };
        const note = (type, fields) => take(conversation.note({ type, ...fields }));
        note("transcript.partial", { segment_id: 1, text: "tell me", tentative: "a store" });
        note("transcript.final", { segment_id: 1, text: "tell me a story" });
        note("turn.started", { turn_id: "t1" });
        note("assistant_message", { token: "Once there " });
        note("assistant_message", { token: "was. And then." });
        note("tts.speaking_start", { request_id: "r", turn_id: "t1", text: "Once there was." });
        note("tts.speaking_text", { request_id: "r", text: "And then.", offset_ms: 1500 });
        take(conversation.heardUntil("r", 1499));
        const early = seen["reply-1"].heard;
        take(conversation.heardUntil("r", 1500));
        const later = seen["reply-1"].heard;
        note("playback.interrupted", { request_id: "r", heard_text: "Once there was. And" });
        note("turn.ended", { turn_id: "t1" });
        note("tts.speaking_start", { request_id: "x", text: "By the way." });
        note("playback.completed", { request_id: "x" });
        return { early, later, ...seen };
        """,
    )
    assert (lines["early"], lines["later"]) == ("", "Once there was.")
    speech, reply, aside = lines["speech-1"], lines["reply-1"], lines["reply-2"]
    assert (speech["text"], speech["tentative"], speech["final"]) == ("tell me a story", "", True)
    assert (reply["text"], reply["heard"], reply["interrupted"]) == (
        "Once there was. And then.", "Once there was. And", True,
    )  # fmt: skip
    assert (aside["text"], aside["heard"], aside["final"], aside["interrupted"]) == (
        "By the way.", "By the way.", True, False,
    )  # fmt: skip
