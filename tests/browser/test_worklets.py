"""The widget's worklets by themselves, in an offline context: what the resampler and the player make of a sine, to the
sample. Numbers are looked at by numpy.
"""

from typing import Any

import numpy as np
import pytest

from .calling import run

pytestmark = [pytest.mark.slow, pytest.mark.browser]

RATE = 16_000


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
def test_a_sine_keeps_its_level_and_gets_no_click(plain_page, context_rate, frequency):
    amplitude, worst = fit(captured(plain_page, context_rate, frequency), frequency)
    assert amplitude == pytest.approx(0.5, rel=0.01)
    assert worst < 0.001, "-54 dB: a click at the border of a block would be as large as the sine"


@pytest.mark.parametrize("context_rate", [44_100, 48_000])
@pytest.mark.parametrize("frequency", [8100, 9000, 12_000, 15_900])
def test_what_no_16_khz_can_hold_is_taken_away_and_not_folded_back(plain_page, context_rate, frequency):
    assert np.abs(captured(plain_page, context_rate, frequency)).max() < 0.5 * 10 ** (-60 / 20)


def test_however_it_is_cut_the_samples_are_the_same_and_none_is_missing(plain_page):
    whole, cut, consumed = run(
        plain_page,
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
def test_an_utterance_is_played_to_its_last_sample_and_counted(plain_page, rate):
    count = rate // 2 + 17
    script = f"({{ order, sine }}) => {{ order('begin'); for (let left = {count}; left > 0; left -= 1000)"
    script += " order('audio', { pcm: sine(Math.min(1000, left)) }); order('end'); }"
    samples, reports = played(plain_page, rate, script)
    assert reports[0]["event"] == "started"
    assert (reports[-1]["event"], reports[-1]["played"]) == ("finished", count)
    counts = [report["played"] for report in reports]
    assert counts == sorted(counts)
    assert 4 <= len(reports) <= 8, "ten reports a second"
    heard = np.flatnonzero(np.abs(samples) > 0.01)
    assert (heard[-1] - heard[0]) / 48_000 == pytest.approx(count / rate, abs=0.003)
    assert np.sqrt((samples[4800:20_000] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    assert largest_step(samples[: heard[-1] - 200]) < 1.1 * SINE_STEP  # the sine does not end at zero


def test_a_pause_stops_within_a_quantum_and_goes_on_at_the_same_sample(plain_page):
    script = """({ order, sine, at }) => {
        order('begin'); order('audio', { pcm: sine(12000) }); order('end');
        at(0.2, () => order('pause')); at(0.5, () => order('resume'));
    }"""
    samples, reports = played(plain_page, 24_000, script)
    assert np.abs(samples[9600 + 2 * 128 : 24_000]).max() == 0, "silence two quanta after the order, at the latest"
    paused = next(report for report in reports if report["event"] == "paused")
    assert paused["played"] / 24_000 == pytest.approx(0.2, abs=0.01)
    assert (reports[-1]["event"], reports[-1]["played"]) == ("finished", 12_000)
    assert np.abs(samples[24_000 + 256 : 38_000]).max() > 0.45
    assert np.abs(samples[39_200:]).max() == 0, "0.5 s of sound and 0.3 s of pause"
    assert largest_step(samples) < 1.5 * SINE_STEP, "it fades, and does not click"


def test_what_is_thrown_away_fades_in_5_ms_and_the_next_one_plays(plain_page):
    script = """({ order, sine, at }) => {
        order('begin'); order('audio', { pcm: sine(24000) });
        at(0.2, () => {
            order('flush');
            order('audio', { pcm: sine(2400) });  // was under way
            order('begin', { id: 'b' }); order('audio', { id: 'b', pcm: sine(2400) }); order('end', { id: 'b' });
        });
    }"""
    samples, reports = played(plain_page, 24_000, script)
    events = [(report["id"], report["event"]) for report in reports]
    assert ("a", "flushed") in events
    assert ("a", "finished") not in events
    assert events[-1] == ("b", "finished")
    assert reports[-1]["played"] == 2400
    assert np.abs(samples[9600 + 6000 :]).max() == 0, "no sound of the old one comes afterwards"
    assert largest_step(samples) < 1.5 * SINE_STEP


def test_sound_that_comes_too_late_leaves_a_gap_without_a_click(plain_page):
    script = """({ order, sine, at }) => {
        order('begin'); order('audio', { pcm: sine(4800) });
        at(0.4, () => { order('audio', { pcm: sine(4800) }); order('end'); });
    }"""
    samples, reports = played(plain_page, 24_000, script)
    assert (reports[-1]["event"], reports[-1]["played"]) == ("finished", 9600)
    assert np.abs(samples[10_000:19_000]).max() == 0
    assert np.abs(samples[20_000:28_000]).max() > 0.45
    assert largest_step(samples) < 1.5 * SINE_STEP


def test_a_minute_may_wait_and_no_more(plain_page):
    script = """({ order, sine, at }) => {
        order('begin');
        for (let second = 0; second < 70; second++) order('audio', { pcm: new Int16Array(24000) });
    }"""
    _, reports = played(plain_page, 24_000, script)
    dropped = sum(report["samples"] for report in reports if report["event"] == "dropped")
    assert dropped / 24_000 == pytest.approx(10, abs=1)
