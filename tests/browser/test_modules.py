"""The widget's modules by themselves, in a page: ids, resampler, backlog, states, lines. Numbers are looked at by numpy."""

from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser]

RATE = 16_000


@pytest.fixture(scope="module")
def page(playwright, server):
    """One for all: these tests leave nothing in it."""
    from .conftest import ARGUMENTS, CHROMIUM

    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    yield page
    browser.close()


def run(page: Any, module: str, body: str, argument: Any = None) -> Any:
    """The value of `body`, where the exports of `/web/{module}` are in `m`."""
    return page.evaluate(f"async (argument) => {{ const m = await import('/web/{module}'); {body} }}", argument)


# -- session ids --------------------------------------------------------------------------------------------------------


def test_a_thousand_ids_are_a_thousand_and_all_letters_are_as_likely(page):
    ids = run(page, "call/session_id.js", "return Array.from({ length: 1000 }, m.newSessionId)")
    assert len(set(ids)) == 1000
    now = page.evaluate("Date.now()")
    for each in ids:
        kind, time, letters = each.split("-")
        assert kind == "session"
        assert now - 60_000 < int(time) <= now
        assert len(letters) == 12
    assert len({each.rpartition("-")[2] for each in ids}) == 1000
    letters = run(
        page, "call/session_id.js", "return Array.from({ length: 20000 }, () => m.newSessionId().slice(-12)).join('')"
    )
    counts = np.array([letters.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz0123456789"])
    assert counts.sum() == len(letters) == 240_000, "there is no other letter"
    chi_square = ((counts - len(letters) / 36) ** 2 / (len(letters) / 36)).sum()
    # 35 degrees of freedom: once in 10^9 by chance. A byte modulo 36 has 1.14 times as many of four letters: 600.
    assert chi_square < 115


# -- the resampler, as the microphone's worklet uses it -----------------------------------------------------------------


def captured(page: Any, context_rate: int, frequency: float, seconds: float = 1.5) -> np.ndarray:
    """What the real worklet makes of a sine of amplitude 0.5, without its first 0.1 s."""
    frames = page.evaluate(
        """async ([rate, frequency, seconds]) => {
            const context = new OfflineAudioContext(1, rate * seconds, rate);
            await context.audioWorklet.addModule("/web/worklets/capture.js");
            const capture = new AudioWorkletNode(context, "voicetrio-capture", { numberOfOutputs: 1 });
            const frames = [];
            capture.port.onmessage = ({ data }) => frames.push(Array.from(data));
            const buffer = new AudioBuffer({ length: rate * seconds, sampleRate: rate });
            const step = 2 * Math.PI * frequency / rate;  // not an oscillator: that has a filter of its own
            buffer.copyToChannel(Float32Array.from({ length: buffer.length }, (_, n) => 0.5 * Math.sin(step * n)), 0);
            const sine = new AudioBufferSourceNode(context, { buffer });
            sine.connect(capture).connect(context.destination);
            sine.start();
            await context.startRendering();
            await new Promise((resolve) => setTimeout(resolve, 100));
            return frames;
        }""",
        [context_rate, frequency, seconds],
    )
    assert {len(frame) for frame in frames} == {320}, "20 ms each"
    assert len(frames) >= seconds * 50 - 2
    return np.array(frames).reshape(-1)[RATE // 10 :] / 32_768


def fit(samples: np.ndarray, frequency: float) -> tuple[float, float]:
    """The amplitude of the sine that fits best, and the largest distance of any sample to it."""
    time = np.arange(len(samples)) / RATE
    basis = np.stack([np.sin(2 * np.pi * frequency * time), np.cos(2 * np.pi * frequency * time)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    return float(np.hypot(*weights)), float(np.abs(samples - basis @ weights).max())


@pytest.mark.parametrize("context_rate", [16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("frequency", [100, 1000, 3333, 6500])
def test_a_sine_keeps_its_level_and_gets_no_click(page, context_rate, frequency):
    amplitude, worst = fit(captured(page, context_rate, frequency), frequency)
    assert amplitude == pytest.approx(0.5, rel=0.01)
    assert worst < 0.001, "-54 dB: a click at the border of a block would be as large as the sine"


@pytest.mark.parametrize("context_rate", [44_100, 48_000])
@pytest.mark.parametrize("frequency", [8100, 9000, 12_000, 15_900])
def test_what_no_16_khz_can_hold_is_taken_away_and_not_folded_back(page, context_rate, frequency):
    assert np.abs(captured(page, context_rate, frequency)).max() < 0.5 * 10 ** (-60 / 20)


def test_however_it_is_cut_the_samples_are_the_same_and_none_is_missing(page):
    whole, cut, consumed = run(
        page,
        "worklets/resampler.js",
        """
        const input = Float32Array.from({ length: 44100 }, (_, n) => Math.sin(n * n / 50000));
        const pull = (resampler) => {
            const out = new Float32Array(resampler.available);
            resampler.pull(out);
            return [...out];
        };
        const one = new m.Resampler(44100, 16000);
        one.push(input);
        one.end();
        const other = new m.Resampler(44100, 16000);
        const parts = [];
        for (let at = 0, n = 1; at < input.length; at += n, n = (n * 7) % 331 + 1) {
            other.push(input.subarray(at, at + n));
            parts.push(...pull(other));
        }
        other.end();
        parts.push(...pull(other));
        return [pull(one), parts, other.consumed];
        """,
    )
    assert whole == cut
    assert len(whole) == 16_000
    assert consumed == 44_100


# -- the player's worklet -----------------------------------------------------------------------------------------------


def played(page: Any, rate: int, script: str, seconds: float = 1.0) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """What the real worklet plays of `script`, which sends orders with `order(what, fields)`; and what it reports. The
    context has 48 kHz; `sine(n)` are n samples of 500 Hz at `rate`, at half of full scale."""
    samples, reports = page.evaluate(
        """async ([rate, script, seconds]) => {
            const context = new OfflineAudioContext(1, 48000 * seconds, 48000);
            await context.audioWorklet.addModule("/web/worklets/playback.js");
            const node = new AudioWorkletNode(context, "voicetrio-playback", { numberOfInputs: 0, outputChannelCount: [1] });
            const reports = [];
            node.port.onmessage = ({ data }) => reports.push(data);
            node.connect(context.destination);
            let phase = 0;
            const tools = {
                order: (what, fields) => node.port.postMessage({ do: what, id: "a", rate, ...fields }),
                sine: (n) => Int16Array.from({ length: n }, () => 16384 * Math.sin(2 * Math.PI * 500 * phase++ / rate)),
                at: (when, action) => context.suspend(when).then(async () => {
                    action();
                    await new Promise((resolve) => setTimeout(resolve, 30));
                    await context.resume();
                }),
            };
            SCRIPTS[script](tools);
            await new Promise((resolve) => setTimeout(resolve, 50));
            const rendered = await context.startRendering();
            await new Promise((resolve) => setTimeout(resolve, 100));
            return [[...rendered.getChannelData(0)], reports];
        }""".replace("SCRIPTS[script]", f"({script})"),
        [rate, "", seconds],
    )
    return np.array(samples), reports


def largest_step(samples: np.ndarray) -> float:
    return float(np.abs(np.diff(samples)).max())


SINE_STEP = 0.5 * 2 * np.pi * 500 / 48_000
"""The largest step between two samples of the sine by itself: 0.033."""


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_an_utterance_is_played_to_its_last_sample_and_counted(page, rate):
    count = rate // 2 + 17
    script = f"({{ order, sine }}) => {{ order('begin'); for (let left = {count}; left > 0; left -= 1000)"
    script += " order('audio', { pcm: sine(Math.min(1000, left)) }); order('end'); }"
    samples, reports = played(page, rate, script)
    assert reports[0]["event"] == "started"
    assert (reports[-1]["event"], reports[-1]["played"]) == ("finished", count)
    counts = [report["played"] for report in reports]
    assert counts == sorted(counts)
    assert 4 <= len(reports) <= 8, "ten reports a second"
    heard = np.flatnonzero(np.abs(samples) > 0.01)
    assert (heard[-1] - heard[0]) / 48_000 == pytest.approx(count / rate, abs=0.003)
    assert np.sqrt((samples[4800:20_000] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    assert largest_step(samples[: heard[-1] - 200]) < 1.1 * SINE_STEP  # the sine does not end at zero


def test_a_pause_stops_within_a_quantum_and_goes_on_at_the_same_sample(page):
    script = """({ order, sine, at }) => {
        order('begin'); order('audio', { pcm: sine(12000) }); order('end');
        at(0.2, () => order('pause')); at(0.5, () => order('resume'));
    }"""
    samples, reports = played(page, 24_000, script)
    assert np.abs(samples[9600 + 2 * 128 : 24_000]).max() == 0, "silence two quanta after the order, at the latest"
    paused = next(report for report in reports if report["event"] == "paused")
    assert paused["played"] / 24_000 == pytest.approx(0.2, abs=0.01)
    assert (reports[-1]["event"], reports[-1]["played"]) == ("finished", 12_000)
    assert np.abs(samples[24_000 + 256 : 38_000]).max() > 0.45
    assert np.abs(samples[39_200:]).max() == 0, "0.5 s of sound and 0.3 s of pause"
    assert largest_step(samples) < 1.5 * SINE_STEP, "it fades, and does not click"


def test_what_is_thrown_away_fades_in_5_ms_and_the_next_one_plays(page):
    script = """({ order, sine, at }) => {
        order('begin'); order('audio', { pcm: sine(24000) });
        at(0.2, () => {
            order('flush');
            order('audio', { pcm: sine(2400) });  // was under way
            order('begin', { id: 'b' }); order('audio', { id: 'b', pcm: sine(2400) }); order('end', { id: 'b' });
        });
    }"""
    samples, reports = played(page, 24_000, script)
    events = [(report["id"], report["event"]) for report in reports]
    assert ("a", "flushed") in events
    assert ("a", "finished") not in events
    assert events[-1] == ("b", "finished")
    assert reports[-1]["played"] == 2400
    assert np.abs(samples[9600 + 6000 :]).max() == 0, "no sound of the old one comes afterwards"
    assert largest_step(samples) < 1.5 * SINE_STEP


def test_sound_that_comes_too_late_leaves_a_gap_without_a_click(page):
    script = """({ order, sine, at }) => {
        order('begin'); order('audio', { pcm: sine(4800) });
        at(0.4, () => { order('audio', { pcm: sine(4800) }); order('end'); });
    }"""
    samples, reports = played(page, 24_000, script)
    assert (reports[-1]["event"], reports[-1]["played"]) == ("finished", 9600)
    assert np.abs(samples[10_000:19_000]).max() == 0
    assert np.abs(samples[20_000:28_000]).max() > 0.45
    assert largest_step(samples) < 1.5 * SINE_STEP


def test_a_minute_may_wait_and_no_more(page):
    script = """({ order, sine, at }) => {
        order('begin');
        for (let second = 0; second < 70; second++) order('audio', { pcm: new Int16Array(24000) });
    }"""
    _, reports = played(page, 24_000, script)
    dropped = sum(report["samples"] for report in reports if report["event"] == "dropped")
    assert dropped / 24_000 == pytest.approx(10, abs=1)


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


def test_audio_goes_on_from_any_sample_that_is_kept(page):
    first, again, gone, dropped = run(
        page,
        "call/audio_backlog.js",
        _BACKLOG + "hear(40); const first = send(); hear(5); const gone = backlog.goTo(10001);"
        "return [first, send(), gone, backlog.dropped];",
    )
    assert first == numbers(0, 40 * 320)
    assert again == numbers(10_001, 45 * 320)
    assert (gone, dropped) == (0, 0)


def test_what_is_too_old_is_left_out_and_the_clock_goes_on_without_it(page):
    gone, sent, gone_later, more = run(
        page,
        "call/audio_backlog.js",
        _BACKLOG
        + "for (let n = 0; n < 100; n++) { hear(1); send(); } const gone = backlog.goTo(8000); const sent = send();"
        "hear(10); send(); const goneLater = backlog.goTo(8000 + sent.length); return [gone, sent, goneLater, send()];",
    )
    assert gone == 100 * 320 - RATE - 8000
    assert sent == numbers(100 * 320 - RATE, 100 * 320)
    assert gone_later == 0
    assert more == numbers(100 * 320, 110 * 320), "the server's clock and ours agree again"


def test_a_socket_that_takes_nothing_costs_the_oldest_audio_and_is_counted(page):
    before, after, dropped, waiting, again = run(
        page,
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


def test_a_calls_states(page):
    steps = run(
        page,
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


def test_lines_keep_their_ids_and_tell_what_was_heard(page):
    lines = run(
        page,
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
