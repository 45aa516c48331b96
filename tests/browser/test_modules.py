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


def test_a_page_that_goes_on_with_a_call_begins_at_the_servers_clock(plain_page):
    gone, sent, again, more = run(
        plain_page,
        "call/audio_backlog.js",
        _BACKLOG
        + "const gone = backlog.goTo(160000); hear(10); const sent = send(); const again = backlog.goTo(160320);"
        "return [gone, sent, again, send()];",
    )
    assert (gone, again) == (0, 0)
    assert sent == numbers(0, 3200)
    assert more == numbers(320, 3200), "what it sends again begins where it is wanted"


# -- states and lines ---------------------------------------------------------------------------------------------------


_STATE = """
const state = new m.CallState(true);
const steps = [];
const step = (change, now) => { change(); steps.push(state.at(now)); };
const note = (type, fields, now) => step(() => state.note({ type, ...fields }, now), now);
const sound = (playing, paused, now) => step(() => state.sound({ playing, paused }, now), now);
const wait = (now) => step(() => {}, now);
step(() => {}, 0);
step(() => { state.connected = true; }, 0);
"""


def test_a_calls_states(plain_page):
    steps = run(
        plain_page,
        "call/call_state.js",
        _STATE
        + """
        note("vad.speech_start", {}, 1000);
        note("vad.speech_end", {}, 2000);
        wait(11000);
        note("transcript.final", { text: "hello" }, 11100);
        note("turn.started", { turn_id: "t" }, 11500);
        wait(60000);
        sound(true, false, 60001);
        step(() => { state.cut = true; }, 60002);
        step(() => { state.cut = false; }, 60003);
        sound(false, true, 60100);
        note("vad.speech_start", {}, 60101);
        note("vad.speech_end", {}, 60200);
        sound(true, false, 60300);
        sound(false, false, 61000);
        wait(61600);
        wait(61800);
        note("turn.ended", { turn_id: "t" }, 62000);
        wait(70300);
        note("session.hold", {}, 80000);
        note("vad.speech_start", {}, 90000);
        note("vad.speech_end", {}, 90100);
        note("transcript.final", { text: "" }, 90200);
        note("vad.speech_start", {}, 91000);
        note("vad.speech_end", {}, 91100);
        wait(101200);
        return steps;
        """,
    )
    assert steps == [
        *("connecting", "listening", "hearing", "thinking", "thinking", "thinking", "thinking", "thinking"),
        *("speaking", "reconnecting", "speaking"),
        *("paused", "hearing", "paused", "speaking"),  # a cough
        *("speaking", "speaking"),  # it takes a breath
        "thinking",  # and the next words are not there yet
        *("thinking", "listening"),  # what was coughed has not come to anything
        *("hold", "hearing", "thinking", "listening"),
        *("hearing", "thinking", "listening"),
    ]


def test_a_call_that_does_not_hear_never_says_that_it_listens(plain_page):
    steps = run(
        plain_page,
        "call/call_state.js",
        _STATE
        + """
        step(() => { state.microphone = "muted"; }, 0);
        note("vad.speech_start", {}, 1000);  // of a moment before
        note("session.hold", {}, 2000);
        step(() => { state.microphone = "none"; }, 3000);
        step(() => state.typed(), 4000);
        const answering = [state.answering];
        sound(true, false, 5000);
        sound(false, false, 6000);
        note("turn.ended", { turn_id: "typed" }, 6050);
        answering.push(state.answering);
        step(() => state.typed(), 7000);
        note("error", { code: "too_many_messages" }, 7100);
        step(() => state.typed(), 8000);
        step(() => state.forgetTyped(), 8100);
        return [steps.slice(2), answering];
        """,
    )
    assert steps == [
        [
            *("muted", "muted", "muted", "typing", "thinking", "speaking", "speaking", "typing"),
            *("thinking", "typing", "thinking", "typing"),
        ],
        [True, False],
    ]


def test_a_calls_state_and_lines_can_be_taken_to_another_page(plain_page):
    found = run(
        plain_page,
        "call/call_state.js",
        """
        const { Conversation } = await import("/web/call/conversation.js");
        const [state, conversation] = [new m.CallState(true), new Conversation()];
        state.note({ type: "turn.started", turn_id: "t" }, 0);
        conversation.note({ type: "assistant_message", token: "Once there was. " });
        conversation.note({ type: "tts.speaking_start", request_id: "r", turn_id: "t", text: "Once there was." });
        const saved = JSON.parse(JSON.stringify([state.save(), conversation.save()]));
        const [nextState, next] = [new m.CallState(true), new Conversation()];
        nextState.restore(saved[0]);
        next.restore(saved[1]);
        nextState.connected = true;
        next.note({ type: "assistant_message", token: "And then." });
        const cut = { request_id: "r", heard_text: "Once", reason: "disconnected" };
        const [line] = next.note({ type: "playback.interrupted", ...cut });
        const thinking = nextState.at(1e6);
        nextState.note({ type: "turn.ended", turn_id: "t" }, 1e6);
        return { line, states: [thinking, nextState.at(1e6)] };
        """,
    )
    assert found["states"] == ["thinking", "listening"]
    assert found["line"] == {
        "id": "reply-1", "who": "agent", "text": "Once there was. And then.", "tentative": "", "final": True,
        "heard": "Once", "interrupted": True, "reason": "disconnected",
    }  # fmt: skip


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


def test_every_error_of_the_server_is_told_as_what_it_means_to_the_caller(plain_page):
    codes = [
        *(
            "recognizer_failed",
            "recognizer_rejected",
            "worker_unavailable",
            "final_timeout",
            "agent_silent",
            "agent_empty",
        ),
        *("agent_broken", "agent_answer_too_long", "agent_malformed", "reply_too_long", "tts_failed", "messages_lost"),
        *("overloaded", "agent_bad_session_id", "agent_tool_call", "invalid_json", "constructor"),
    ]
    meanings = run(
        plain_page, "call/errors.js", "return argument.map((code) => m.serverTrouble(code)?.code ?? null)", codes
    )
    assert dict(zip(codes, meanings, strict=True)) == {
        "recognizer_failed": "audio_lost",
        "recognizer_rejected": "audio_lost",
        "worker_unavailable": "audio_lost",
        "final_timeout": "audio_lost",
        "agent_silent": "no_answer",
        "agent_empty": "no_answer",
        "agent_broken": "answer_broken",
        "agent_answer_too_long": "answer_broken",
        "agent_malformed": "answer_damaged",
        "reply_too_long": "answer_unspoken",
        "tts_failed": "no_speech",
        "messages_lost": "lines_lost",
        "overloaded": "server_busy",
        "agent_bad_session_id": None,
        "agent_tool_call": None,
        "invalid_json": None,
        "constructor": None,
    }
