import argparse
import json
import wave

import pytest

from voicetrio.cli import bench, bench_partials
from voicetrio.cli.bench_partials import hear, join
from voicetrio.cli.bench_partials_report import Agreed, PartialsFigures, Plain, Tally
from voicetrio.cli.recordings import load_recordings
from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.worker.engines import registry
from voicetrio.worker.engines.registry import EngineEntry

from ..fakes.audio import RATE, silence, word
from ..fakes.passing_engine import PassingHearing

# -- what was shown -------------------------------------------------------------------------------------------------


def passes(*texts: str) -> list[Hypothesis]:
    """One per second of audio, the last one final; words of half a second."""
    return [
        Hypothesis(
            1,
            at == len(texts),
            at * RATE,
            tuple(Word(one, place * RATE // 2, (place + 1) * RATE // 2) for place, one in enumerate(text.split())),
        )
        for at, text in enumerate(texts, start=1)
    ]


def tally(policy, *texts):
    some = Tally()
    final = some.add(policy, passes(*texts))
    return some.shown, final


TEXTS = ("open", "open the tor", "open the door", "open the door please")


def test_plain_shows_all_at_once_and_takes_words_back():
    shown, final = tally(Plain(), *TEXTS)
    assert final == "open the door please"
    assert (shown.words, shown.early, shown.taken_back) == (4, 3, 1)
    # "open" ends at 0.5 s and was there after 1 s; "the" ends at 1 s, "door" at 1.5 s.
    assert shown.delays == (0.5, 1.0, 1.5)


def test_agreement_shows_a_word_one_pass_later_and_takes_none_back():
    shown, final = tally(Agreed(2), *TEXTS)
    assert final == "open the door please"
    assert (shown.words, shown.early, shown.taken_back) == (4, 2, 0)
    assert shown.delays == (1.5, 2.0)
    assert tally(Agreed(1), *TEXTS)[1] == "open the tor please"  # confirmed at once, it stays


def test_a_word_that_only_the_final_changes_was_taken_back_and_not_shown_for_good():
    shown, _ = tally(Plain(), "open the tor", "open the tor", "open the door")
    assert (shown.early, shown.taken_back) == (2, 1)


def test_a_word_that_went_away_and_came_back_counts_from_its_return():
    shown, _ = tally(Plain(), "open", "", "open", "open")
    assert (shown.early, shown.taken_back, shown.delays) == (1, 1, (2.5,))


def test_a_segment_without_a_partial_has_nothing_early():
    shown, final = tally(Plain(), "open")
    assert (shown.words, shown.early, shown.taken_back, final) == (1, 0, 0, "open")


def test_the_report_tells_both_and_says_what_it_does_not_know():
    figures = PartialsFigures(
        segments=1,
        spoken_words=4,
        audio_seconds=4.0,
        passes=4,
        agreed=tally(Agreed(2), *TEXTS)[0],
        plain=tally(Plain(), *TEXTS)[0],
        whole_seconds=10.0,
        decoded_seconds=None,
    )
    table = figures.table("the title")
    assert table.startswith("the title\n1 segments, 4.0 s, 4 passes\n")
    cells = {line[:46].strip(): line[46:].split() for line in table.splitlines()}
    assert cells["words in finals"] == ["4", "4"]
    assert cells["shown for good before the end"] == ["50.0", "%", "75.0", "%"]
    assert cells["shown and then taken back, times"] == ["0", "1"]
    assert cells["shown for good after the word's end, median"] == ["1.50", "s", "1.00", "s"]
    assert "not told by this engine; without trimming 2.5 s" in table
    as_json = figures.as_json()
    assert as_json["plain"]["taken_back"] == 1
    assert (as_json["decoded_per_second"], as_json["decoded_per_second_untrimmed"]) == (None, 2.5)
    json.dumps(as_json)


# -- passes of an engine --------------------------------------------------------------------------------------------

SPEECH = silence(0.3) + word(1) + silence(0.1) + word(2) + silence(0.3) + word(3) + silence(0.35)


def test_an_engine_is_heard_in_steps_and_to_its_last_sample():
    heard = hear(PassingHearing(), SPEECH, 0.5)
    samples = len(SPEECH) // 2
    assert heard.ends == (8_000, 16_000, 24_000, 32_000, samples, samples)
    assert [one.consumed_sample for one in heard.passes] == list(heard.ends)
    assert heard.passes[-1].final
    assert heard.passes[-1].text == "w1 w2 w3"


class BatchedPassing(PassingHearing):
    """As a batched engine: decodes in `run`, a second of new audio at a time, and counts what it decodes."""

    decoded_seconds = 0.0
    stream = None

    def open(self, options):
        self.stream = BatchedPassingStream(self)
        return self.stream

    @property
    def has_work(self):
        return self.stream is not None and self.stream.new >= RATE

    def run(self):
        self.stream.decode()


class BatchedPassingStream:
    def __init__(self, engine):
        self.engine, self.inner, self.pcm, self.decoded, self.news = engine, PassingHearing().open(None), b"", 0, None

    @property
    def new(self):
        return len(self.pcm) // 2 - self.decoded

    def feed(self, segment_id, start_sample, pcm):
        assert len(pcm) <= 3200
        assert start_sample == len(self.pcm) // 2
        self.pcm += pcm

    def decode(self):
        self.news = self.inner.accept(1, self.decoded, self.pcm[2 * self.decoded :])
        self.decoded = len(self.pcm) // 2
        self.engine.decoded_seconds += 0.5

    def finish(self, segment_id, end_sample):
        raise AssertionError("not used")

    def take(self):
        news, self.news = self.news, None
        return news

    def begin_segment(self, segment_id, initial_prompt):
        raise AssertionError("not used")

    def accept(self, segment_id, start_sample, pcm):
        raise AssertionError("not used")

    def end_segment(self, segment_id, end_sample):
        self.decode()
        return self.inner.end_segment(segment_id, end_sample)

    def close(self):
        pass


def test_a_batched_engine_is_fed_in_pieces_and_runs_when_it_wants_to():
    heard = hear(BatchedPassing(), SPEECH, 0.5)
    assert heard.ends == (16_000, 32_000, len(SPEECH) // 2)
    assert heard.passes[-1].text == "w1 w2 w3"
    assert len(heard.passes) == 3


# -- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in ("one", "two", "three"):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(SPEECH)
    rows = [f"{name}.wav\tw1 w2 {last}\n" for name, last in (("one", "w3"), ("two", "w3"), ("three", "w4"))]
    (tmp_path / "transcripts.tsv").write_text("file\ttext\n" + "".join(rows))
    return tmp_path


@pytest.fixture(autouse=True)
def _engines(monkeypatch):
    for name, factory in (("passing", lambda setup: PassingHearing()), ("batched", lambda setup: BatchedPassing())):
        monkeypatch.setitem(registry.HEARING, name, EngineEntry(__name__, f"_open_{name}"))
        monkeypatch.setitem(globals(), f"_open_{name}", factory)


def run(*words):
    parser = argparse.ArgumentParser()
    bench.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["bench", "partials", *map(str, words)])
    return args.command(args)


def test_recordings_are_joined_in_their_order(folder):
    first, second = join(load_recordings(folder), 2)
    assert (first.text, first.pcm) == ("w1 w2 w3 w1 w2 w3", SPEECH * 2)
    assert second.text == "w1 w2 w4"


def test_it_compares_agreement_with_plain_passes(folder, capsys):
    assert run(folder, "--engine", "passing", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["segments"], told["spoken_words"], told["passes"]) == (3, 9, 18)
    assert told["local_agreement"]["taken_back"] == 0
    assert told["plain"]["taken_back"] > 0  # the engine mishears its last word in turns
    assert told["plain"]["errors"] == 1
    assert told["decoded_per_second"] is None
    assert told["decoded_per_second_untrimmed"] == round(sum((0.5, 1, 1.5, 2, 2.25, 2.25)) / 2.25, 3)


def test_an_engine_that_counts_its_audio_is_asked_for_it(folder, capsys):
    assert run(folder, "--engine", "batched", "--join", 3, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["segments"] == 1
    assert told["decoded_per_second"] == round(0.5 * told["passes"] / 6.75, 3)


def test_the_table_names_engine_and_step(folder, capsys):
    assert run(folder, "--engine", "passing", "--step", 1) == 0
    assert capsys.readouterr().out.startswith("passing none, passes 1 s apart;")


def test_what_cannot_be_measured_is_told(folder, tmp_path, capsys):
    assert run(folder, "--engine", "instant") == 2
    assert "makes partials of its own" in capsys.readouterr().err
    assert run(tmp_path / "nothing", "--engine", "passing") == 2
    assert "transcripts.tsv" in capsys.readouterr().err
    assert run(folder, "--engine", "nonsense") == 2
    assert "no engine 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--step", "0"], ["--step", "11"], ["--join", "0"], ["--passes", "101"], ["--option", "x"]]
)
def test_bad_usage(folder, words, capsys):
    with pytest.raises(SystemExit) as ended:
        run(folder, *words)
    assert ended.value.code == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=0.5", 0.5),
        ("a=true", True),
        ("a=false", False),
        ("a=10 30", "10 30"),
        ("a=", ""),
        ('a="0"', "0"),
        ("a=[1]", "[1]"),
    ],
)
def test_an_option_has_the_type_that_it_looks_like(text, value):
    name, read = bench_partials._option(text)
    assert (name, read, type(read)) == ("a", value, type(value))
