"""The widget's player in a real audio graph: what it is fed across cuts, and what it says that was heard."""

import pytest

from .calling import run

pytestmark = [pytest.mark.slow, pytest.mark.browser]

_PLAYER = """
const context = new AudioContext();
await context.audioWorklet.addModule("/web/worklets/playback.js");
const heard = [];
const player = new m.Player(context, {
    onHeard: (id, ms) => heard.push([id, ms]), onStarted() {}, onChange() {}, onDropped() {},
});
const feed = (samples) => player.feed(new Int16Array(samples).fill(1000).buffer);
const until = async (done) => { for (let n = 0; n < 100 && !done(); n++) await new Promise((r) => setTimeout(r, 50)); };
const last = () => heard.at(-1)?.[1] ?? 0;
"""


def test_after_a_cut_the_rest_follows_without_a_hole_and_without_a_repeat(plain_page):
    found = run(
        plain_page,
        "call/player.js",
        _PLAYER
        + """
        player.begin("a", 16000);
        feed(8000);
        const cut = player.position;
        player.end("a", 1000);  // it was sent before the rest, which the cut has swallowed
        await until(() => last() >= 400);
        player.goOn("a", 16000, 6000);  // the server repeats an eighth of a second
        feed(4000);
        feed(6000);
        const whole = player.position;
        player.end("a", 1000);
        await until(() => player.heard?.requestId !== "a" || last() >= 1000);
        await context.close();
        return { cut, whole, heard: heard.map(([, ms]) => ms) };
        """,
    )
    assert found["cut"] == {"requestId": "a", "samples": 8000}
    assert found["whole"] == {"requestId": "a", "samples": 16_000}
    assert found["heard"] == sorted(found["heard"])
    assert found["heard"][-1] == 1000


def test_what_never_came_was_not_heard(plain_page):
    found = run(
        plain_page,
        "call/player.js",
        _PLAYER
        + """
        player.begin("a", 16000);
        feed(8000);
        player.end("a", 20000);  // twenty seconds, nearly all of which are lost
        await until(() => last() >= 450);
        await new Promise((r) => setTimeout(r, 500));
        const claimed = last();
        player.settle("a");  // a server that cannot send it again
        await until(() => last() >= 500);
        await context.close();
        return [claimed, last()];
        """,
    )
    claimed, finally_claimed = found
    assert claimed <= 500
    assert finally_claimed == 500


def test_another_page_goes_on_where_this_one_was_heard(plain_page):
    found = run(
        plain_page,
        "call/player.js",
        _PLAYER
        + """
        player.begin("a", 16000);
        feed(32000);
        await until(() => last() >= 300);
        const { samples } = player.heard;
        const next = new m.Player(context, {
            onHeard: (id, ms) => heard.push([id, ms]), onStarted() {}, onChange() {}, onDropped() {},
        });
        player.close();
        heard.length = 0;
        next.goOn("a", 16000, samples);
        next.feed(new Int16Array(32000 - samples).buffer);
        next.end("a", 2000);
        await until(() => last() >= 2000);
        await context.close();
        return { samples, first: heard[0][1], last: last() };
        """,
    )
    assert 300 * 16 <= found["samples"] < 32_000
    assert found["first"] >= found["samples"] / 16 - 100, "what was heard before counts"
    assert found["last"] == 2000
