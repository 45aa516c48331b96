import argparse
import io
import json
import math
import os
from dataclasses import replace

import pytest

from voicetrio.cli import bench, bench_process
from voicetrio.cli.bench_frames import (
    BINARY,
    CLOSE,
    TEXT,
    client_frame,
    deciding_frame,
    first_frame,
    frames_sent,
    split_server_frames,
)
from voicetrio.cli.bench_report import BUDGETS, Figures, as_json, percentile, table
from voicetrio.cli.bench_speech import expected_ends, make_speech, session_audio

FIGURES = Figures(
    sessions=50,
    seconds=30.0,
    gateway_cpu_s=12.0,
    worker_cpu_s=3.0,
    client_cpu_s=1.5,
    other_cpu_s=0.6,
    gateway_bytes=100_000_000,
    worker_bytes=5_000_000,
    delays_ms=(2.0, 3.0, 4.0, 20.0),
    finals=4,
    expected=4,
    missing=0,
    unexpected=0,
    failures=(),
    late_ms_p99=1.1,
    late_ms_max=2.0,
)


@pytest.fixture(scope="module")
def speech():
    return make_speech(20)


@pytest.mark.parametrize(("percent", "value"), [(0, 1.0), (50, 5.0), (90, 9.0), (91, 10.0), (99, 10.0), (100, 10.0)])
def test_a_percentile_is_one_of_the_values(percent, value):
    assert percentile([float(n) for n in range(1, 11)], percent) == value


def test_no_values_have_no_percentile():
    assert math.isnan(percentile([], 50))


def test_costs_are_per_session_and_second():
    assert FIGURES.cpu_ms == pytest.approx(8.0)
    assert FIGURES.sessions_per_core == pytest.approx(125.0)
    assert FIGURES.worker_cpu_ms == pytest.approx(2.0)
    assert FIGURES.memory_mb == pytest.approx(2.0)


def test_ratios_are_parts_of_the_budgets():
    ratios = {budget.name: budget.ratio(FIGURES) for budget in BUDGETS}
    assert ratios == pytest.approx({"cpu": 0.8, "delay_p50": 0.3, "delay_p99": 0.4, "memory": 2 / 3})


def test_the_table_has_a_column_for_each_run():
    lines = table([replace(FIGURES, sessions=10), FIGURES], "the title").splitlines()
    assert lines[0] == "the title"
    cells = {" ".join(line.split()[:-2]): line.split()[-2:] for line in lines if len(line.split()) > 2}
    assert cells["sessions"] == ["10", "50"]
    assert cells["gateway CPU, ms per session-second"] == ["40.00", "8.00"]
    assert cells["server's own delay p50, ms"] == ["3.0", "3.0"]
    assert cells["finals received / expected"] == ["4/4", "4/4"]
    assert cells["delay p99 50 ms at 50 sessions"] == ["0.40", "0.40"]
    assert "TRUSTED" not in "".join(lines)


def test_what_could_not_be_measured_is_a_dash_and_null():
    nothing = replace(FIGURES, gateway_cpu_s=0.0, delays_ms=(), late_ms_p99=math.nan, late_ms_max=math.nan)
    assert "nan" not in table([nothing], "")
    values = json.loads(json.dumps(as_json(nothing), allow_nan=False))
    assert values["sessions_per_core"] is None
    assert values["delay_ms"] == {"p50": None, "p90": None, "p99": None, "p100": None}
    assert not values["budget_used"]["cpu"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"late_ms_p99": 5.1}, "50 sessions: NOT TO BE TRUSTED: the client was late by 5.1 ms"),
        ({"late_ms_p99": math.nan}, "NOT TO BE TRUSTED"),
        ({"other_cpu_s": 15.0}, "other programs used 50 % of a core"),
        ({"missing": 2}, "50 sessions: 2 finals are missing"),
        ({"unexpected": 1}, "1 finals came that should not have come"),
        ({"failures": ("bench-7: closed with code 1011",)}, "bench-7: closed with code 1011"),
        ({"failures": tuple(f"bench-{n}: lost" for n in range(9))}, "and 4 more sessions failed"),
    ],
)
def test_the_report_says_what_was_wrong(change, words):
    assert words in table([replace(FIGURES, **change)], "")


def test_a_run_passes_only_whole():
    assert FIGURES.passed
    for change in ({"missing": 1}, {"unexpected": 1}, {"failures": ("bench-0: lost",)}):
        assert not replace(FIGURES, **change).passed


@pytest.mark.parametrize(("size", "head"), [(0, 2), (5, 2), (125, 2), (126, 4), (640, 4), (65_535, 4), (65_536, 10)])
def test_a_client_frame_is_masked_and_whole(size, head):
    payload = bytes(n * 7 % 256 for n in range(size))
    frame = client_frame(BINARY, payload)
    assert frame[0] == 0x82
    assert frame[1] & 0x80
    mask, masked = frame[head : head + 4], frame[head + 4 :]
    assert 0 not in mask
    assert bytes(byte ^ mask[n % 4] for n, byte in enumerate(masked)) == payload


def test_server_frames_are_split_wherever_they_are_cut():
    frames = [(TEXT, b"a" * 3), (TEXT, b"b" * 200), (TEXT, b"c" * 70_000), (CLOSE, b"\x03\xe8")]
    data = b"\x81\x03aaa" + b"\x81\x7e\x00\xc8" + b"b" * 200
    data += b"\x81\x7f" + (70_000).to_bytes(8, "big") + b"c" * 70_000 + b"\x88\x02\x03\xe8"
    for cut in (*range(220), 65_000, len(data) - 1, len(data)):
        first, rest = split_server_frames(data[:cut])
        second, rest = split_server_frames(rest + data[cut:])
        assert (first + second, rest) == (frames, b"")


def test_the_deciding_frame_contains_the_end_of_the_segment():
    assert deciding_frame(20, 20) == 0
    assert deciding_frame(1000, 20) == 49
    assert deciding_frame(1000, 30) == 33  # 990 to 1020 ms
    assert deciding_frame(1020, 100) == 10


def test_sessions_begin_at_places_of_their_own():
    assert [first_frame(index, 4, 1000) for index in range(4)] == [0, 250, 500, 750]
    assert frames_sent(30, 20) == 32.5 / 0.02


def test_speech_is_a_whole_number_of_frames(speech):
    assert len(speech) % 640 == 0
    assert len(make_speech(70)) % 2240 == 0


def test_a_session_streams_the_speech_again_and_again_from_its_own_place(speech):
    start = first_frame(1, 3, len(speech) // 640) * 640
    audio = session_audio(speech, 1, 3, seconds=60, frame_ms=20)
    assert len(audio) == frames_sent(60, 20) * 640
    assert audio[: len(speech)] == speech[start:] + speech[:start]
    assert audio[len(speech) : 2 * len(speech)] == audio[: len(speech)]


def test_each_pause_of_the_speech_ends_a_segment(speech):
    ends, last = expected_ends(speech)
    assert len(ends) == 6
    assert all(end % 20 == 0 for end in ends)
    assert last is None
    assert expected_ends(speech[: 2 * 16 * (ends[0] - 600)]) == ([], ends[0] - 600)
    assert expected_ends(b"") == ([], None)


@pytest.mark.parametrize("text", ["", "0", "ten", "10,,50", "10 50", "99999"])
def test_numbers_of_sessions_are_checked(text, capsys):
    with pytest.raises(SystemExit):
        parse("--sessions", text)
    assert "--sessions" in capsys.readouterr().err


def test_arguments_have_defaults():
    args = parse()
    assert (args.sessions, args.seconds, args.frame_ms, args.json) == ([10, 50], 30.0, 20, False)


def parse(*args):
    parser = argparse.ArgumentParser()
    bench.add_parser(parser.add_subparsers(required=True))
    return parser.parse_args(["bench", *args])


def test_finals_are_held_against_what_was_owed():
    times = bench_process.CpuTimes(at=0.0, gateway=0.0, workers=0.0, client=0.0, machine=0.0)
    later = bench_process.CpuTimes(at=10.0, gateway=2.0, workers=1.0, client=0.5, machine=4.0)
    result = {
        "finals": [[1000, 1000, 4000], [2000, 5000]],
        "delays_ms": [[[1000, 9.0], [4000, 1.0]], [[2000, 3.0]]],
        "failures": [],
        "late_ms_p99": 1.0,
        "late_ms_max": 2.0,
    }
    owed = [([1000, 3000], 4000), ([2000, 5000], None)]
    figures = bench.compare(2, times, later, (6_000_000, 0), owed, result)
    assert (figures.finals, figures.expected, figures.missing, figures.unexpected) == (5, 5, 1, 1)
    assert figures.delays_ms == (3.0, 9.0)  # not that of the one which the end of the session has cut
    assert figures.other_cpu_s == pytest.approx(0.5)
    assert figures.cpu_ms == pytest.approx(100.0)


def test_progress_is_for_terminals_only():
    out = io.StringIO()
    bench.Progress(out).show("working")
    assert out.getvalue() == ""


def test_a_process_that_has_ended_is_an_error_and_not_a_crash():
    nobody = 2**22 + 1  # beyond the largest process id that Linux gives
    with pytest.raises(bench_process.BenchError, match="the worker has ended"):
        bench_process.memory_bytes(bench_process.Server(port=1, gateway=os.getpid(), workers=[nobody]))
    with pytest.raises(bench_process.BenchError, match="the gateway has ended"):
        bench_process.CpuTimes.take(bench_process.Server(port=1, gateway=nobody, workers=[]), os.getpid())


def test_a_run_that_fails_does_not_hide_the_others(capsys, monkeypatch):
    def measure(sessions, seconds, frame_ms, progress, *, pcm):
        if sessions == 99:
            raise bench_process.BenchError("the worker has ended")
        return replace(FIGURES, sessions=sessions)

    monkeypatch.setattr(bench, "measure", measure)
    args = parse("--sessions", "99,50")
    assert args.command(args) == 1
    out, err = capsys.readouterr()
    assert err == "voicetrio bench: 99 sessions: the worker has ended\n"
    assert "gateway CPU" in out
    args = parse("--sessions", "50")
    assert args.command(args) == 0


def test_without_proc_it_says_so(capsys, monkeypatch):
    monkeypatch.setattr(bench.Path, "exists", lambda path: False)
    args = parse()
    assert args.command(args) == 2
    assert "only Linux" in capsys.readouterr().err


@pytest.mark.slow
def test_two_sessions_are_measured(capfd, monkeypatch):
    monkeypatch.setenv("VOICETRIO_STT__ENGINE", "none")  # a bench is not for measuring somebody's settings
    args = parse("--sessions", "2", "--seconds", "6", "--json")
    assert args.command(args) == 0
    out, err = capfd.readouterr()
    values = json.loads(out)
    assert err == ""
    assert values["sessions"] == 2
    assert values["finals"] == values["finals_expected"] >= 4
    assert values["segments_measured"] >= 2
    assert 0 < values["gateway_cpu_ms_per_session_second"] < 500
    assert 0 < values["delay_ms"]["p50"] < 1000
    assert 0.1 < values["gateway_mb_per_session"] < 20
    assert values["failures"] == []
