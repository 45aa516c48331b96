import re

import pytest
from rich.cells import cell_len

from voicetrio.cli.media_timeline import Timeline
from voicetrio.cli.subtitle_lines import LINE_COLUMNS_MAX, wrap
from voicetrio.cli.subtitles import (
    CUE_MS_MAX,
    CUE_MS_MIN,
    LINES_MAX,
    Cue,
    CueCutter,
    Segment,
    Word,
    srt_cue,
    vtt_cue,
)


def spoken(text: str, start_s: float = 0.0, word_s: float = 0.4) -> Segment:
    """A segment in which each word takes `word_s`, and whose words lack all punctuation."""
    words = tuple(
        Word(word.strip(".,!?"), start_s + i * word_s, start_s + (i + 1) * word_s)
        for i, word in enumerate(text.split())
    )
    return Segment("s1", start_s, start_s + len(words) * word_s, text, 0.9, words)


def check_readable(cues: list[Cue]) -> None:
    end_ms = 0
    for cue in cues:
        assert end_ms <= cue.start_ms < cue.end_ms
        assert cue.end_ms - cue.start_ms <= CUE_MS_MAX
        assert 1 <= len(cue.lines) <= LINES_MAX
        assert all(0 < cell_len(line) <= LINE_COLUMNS_MAX for line in cue.lines)
        end_ms = cue.end_ms


def test_a_short_segment_is_one_cue_with_its_punctuation():
    cues = CueCutter().cut(spoken("Hello, world. Fine!", start_s=1.5))
    assert cues == [Cue(1500, 2700, ("Hello, world. Fine!",))]


def test_a_long_segment_is_cut_at_words_and_loses_none():
    text = " ".join(f"word{i}," for i in range(100))
    cues = CueCutter().cut(spoken(text))
    check_readable(cues)
    assert " ".join(line for cue in cues for line in cue.lines) == text


def test_slow_speech_is_cut_by_time():
    cues = CueCutter().cut(spoken("one two three four five six", word_s=2.0))
    check_readable(cues)
    assert [cue.lines for cue in cues] == [("one two three",), ("four five six",)]


def test_a_pause_ends_a_cue():
    words = (Word("wait", 0.0, 0.5), Word("now", 3.0, 3.5))
    cues = CueCutter().cut(Segment("s1", 0.0, 3.5, "wait now", None, words))
    assert cues == [Cue(0, 500, ("wait",)), Cue(3000, 3500, ("now",))]


def test_without_words_the_time_is_shared_out_by_length():
    cues = CueCutter().cut(Segment("s1", 10.0, 30.0, "la " * 60))
    check_readable(cues)
    assert cues[0].start_ms == 10_000
    assert cues[-1].end_ms == pytest.approx(30_000, abs=200)


def test_words_that_are_not_in_the_text_are_joined_by_spaces():
    words = (Word("twenty", 0.0, 0.5), Word("two", 0.5, 1.0))
    assert CueCutter().cut(Segment("s1", 0.0, 1.0, "22", None, words)) == [Cue(0, 1000, ("twenty two",))]


def test_a_script_without_spaces_is_not_given_any():
    words = (Word("你", 0.0, 0.3), Word("好", 0.3, 0.6))
    assert CueCutter().cut(Segment("s1", 0.0, 0.6, "你好。", None, words)) == [Cue(0, 600, ("你好。",))]


def test_an_endless_word_is_cut_into_lines():
    cues = CueCutter().cut(Segment("s1", 0.0, 4.0, "x" * 300, None, (Word("x" * 300, 0.0, 4.0),)))
    check_readable(cues)
    assert "".join(line for cue in cues for line in cue.lines) == "x" * 300


def test_an_endless_sound_is_shown_for_the_longest_time():
    cues = CueCutter().cut(Segment("s1", 0.0, 60.0, "aaah", None, (Word("aaah", 0.0, 60.0),)))
    assert cues == [Cue(0, CUE_MS_MAX, ("aaah",))]


@pytest.mark.parametrize("text", ["", "   "])
def test_a_segment_without_text_has_no_cue(text):
    assert CueCutter().cut(Segment("s1", 0.0, 1.0, text)) == []


def test_segments_that_overlap_do_not_make_cues_that_do():
    cutter = CueCutter()
    cues = [
        *cutter.cut(spoken("one two three", start_s=0.0)),
        *cutter.cut(spoken("four five six", start_s=0.5)),
        *cutter.cut(spoken("early", start_s=0.0)),
    ]
    check_readable(cues)
    assert [cue.lines for cue in cues] == [("one two three",), ("four five six",), ("early",)]


def test_words_without_length_and_from_before_the_start_are_shown_all_the_same():
    cues = CueCutter().cut(Segment("s1", -1.0, -1.0, "so", None, (Word("so", -1.0, -2.0),)))
    assert cues == [Cue(0, CUE_MS_MIN, ("so",))]


def test_times_beyond_an_hour():
    cue = Cue(3_723_004, 360_000_000, ("late",))
    assert srt_cue(7, cue) == "7\n01:02:03,004 --> 100:00:00,000\nlate\n\n"
    assert vtt_cue(cue) == "01:02:03.004 --> 100:00:00.000\nlate\n\n"


def test_vtt_is_escaped_and_srt_keeps_no_arrow():
    cue = Cue(0, 1000, ("a <b> & c", "--> d"))
    assert vtt_cue(cue).splitlines()[1:3] == ["a &lt;b&gt; &amp; c", "--&gt; d"]
    assert srt_cue(1, cue).splitlines()[2:4] == ["a <b> & c", "-> d"]


def test_a_final_message_becomes_a_segment():
    segment = Segment.from_message(
        {
            "type": "transcript.final",
            "text": " hi there ",
            "segment_id": "seg-1",
            "start_ms": 500,
            "end_ms": 1250,
            "words": [{"word": "hi", "start": 0.5, "end": 0.75, "confidence": 0.5}],
        }
    )
    assert segment == Segment("seg-1", 0.5, 1.25, "hi there", None, (Word("hi", 0.5, 0.75, 0.5),))


def test_every_cue_of_a_long_talk_is_readable():
    cutter = CueCutter()
    cues = []
    for i in range(200):
        text = " ".join("w" * (1 + (i * j) % 60) for j in range(1, 1 + i % 40))
        cues += cutter.cut(spoken(text, start_s=i * 3.0, word_s=0.05 + (i % 7) * 0.3))
    check_readable(cues)
    shown = re.sub(r"\s", "", "".join(line for cue in cues for line in cue.lines))
    assert shown.count("w") == sum(1 + (i * j) % 60 for i in range(200) for j in range(1, 1 + i % 40))


@pytest.mark.parametrize(
    "text",
    [
        "今天天气很好我们一起去公园散步吧" * 5,
        "「今日は」と彼は言った。それから、公園へ行ったっけ?いいえ、カフェーです。" * 3,
        "Das heißt 今天 auf Chinesisch, and 한국어는 띄어쓰기가 있습니다. " * 4,
        "👩‍👩‍👧‍👦" * 50,
        "e\u0301" * 100,
    ],
)
def test_wide_characters_take_two_columns(text):
    lines = wrap(text)
    assert all(cell_len(line) <= LINE_COLUMNS_MAX for line in lines)
    assert all(cell_len(line) > LINE_COLUMNS_MAX // 2 for line in lines[:-1]), "lines are filled"
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not any(line[0] in "。、」ー?っ\u0301" for line in lines), "no line begins with what closes the one before"
    assert not any(line[-1] in "「" for line in lines[:-1])
    words = tuple(Word(char, i * 0.1, (i + 1) * 0.1) for i, char in enumerate(text))
    check_readable(CueCutter().cut(Segment("s1", 0.0, len(text) * 0.1, text, None, words)))


def test_lines_end_at_spaces_and_hyphens_and_not_at_those_that_keep_things_together():
    assert wrap("a well-known fact", 7) == ["a well-", "known", "fact"]
    assert wrap("10\u00a0km away", 5) == ["10\u00a0km", "away"]


def test_joiners_without_letters_lose_none_of_those_behind_them():
    assert "".join(wrap("a \u200d\u200d# b", 3)).replace(" ", "") == "a\u200d\u200d#b"


def test_times_of_the_sound_become_those_of_the_file():
    timeline = Timeline()
    timeline.anchor(0.0, 5.0)
    timeline.anchor(2.0, 17.0)
    words = (Word("before", 1.0, 2.0), Word("after", 2.0, 3.0))
    segment = Segment("s1", 1.0, 3.0, "before after", None, words).on(timeline)
    assert (segment.start_s, segment.end_s) == (6.0, 18.0)
    assert [(word.start_s, word.end_s) for word in segment.words] == [(6.0, 7.0), (17.0, 18.0)]
    assert [(cue.start_ms, cue.end_ms) for cue in CueCutter().cut(segment)] == [(6000, 7000), (17000, 18000)]
