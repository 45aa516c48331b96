"""What the contract's tests run over: the table's engines, or one that is named on the command line.

pytest tests/contract --engine my-engine --model DIR --engine-option beam_size=5 --recordings DIR
"""

import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engines.contract import HearingEngine, HearingSetup, SpeakingEngine, SpeakingSetup
from voicetrio.worker.engines.registry import (
    HEARING,
    HEARING_GROUP,
    SPEAKING,
    SPEAKING_GROUP,
    load_hearing,
    load_speaking,
)

from .calling import Calls, PlainCalls, hear, hosted
from .engines import HEARING_CASES, SPEAKING_CASES, HearingCase, SpeakingCase, registered
from .installing import put_on_path, touch_tones, write_package
from .material import RECORDINGS, Recording, read_recordings

FIXTURES = {
    "hearing",
    "hearing_case",
    "hearing_case_with_model",
    "speaking",
    "speaking_case",
    "speaking_case_with_model",
}
"""Whatever uses one of them is a part of the contract."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """An engine that hears, and one of the ways to call it."""

    case: HearingCase
    engine: HearingEngine
    calls: Calls
    recordings: list[Recording]
    streams: int
    """How many a test opens at once; in plain calls, where nothing is at once, a few are enough."""
    expected: dict[str, Hypothesis] = field(default_factory=dict)

    def alone(self, recording: Recording) -> Hypothesis:
        """The final of a recording that is a new stream's segment 0, from sample 0 on, while nothing else goes on."""
        if recording.name not in self.expected:
            stream = self.calls.open()
            self.expected[recording.name] = hear(stream, recording.pcm)[1]
            stream.close()
        return self.expected[recording.name]


@dataclass(frozen=True, slots=True)
class Speaking:
    case: SpeakingCase
    engine: SpeakingEngine


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("the contract of engines")
    group.addoption("--engine", help="run the contract over this engine only; it need not be in the table")
    group.addoption("--model", default="", help="its stt.model or tts.model")
    group.addoption(
        "--engine-option", action="append", default=[], metavar="KEY=VALUE", help="as in stt.options or tts.options"
    )
    group.addoption(
        "--recordings",
        type=Path,
        default=RECORDINGS / "english",
        help="a folder with three or more recordings that it understands, 16-bit mono WAV files at 16 kHz, and a "
        "transcripts.tsv with the columns file and text; default: %(default)s",
    )
    group.addoption(
        "--word-error-rate", type=float, default=0.5, help="at most, over all of them; default: %(default)s"
    )


def pytest_configure(config: pytest.Config) -> None:
    name = named_engine(config)
    if name is not None and name not in registered(HEARING, HEARING_GROUP) | registered(SPEAKING, SPEAKING_GROUP):
        raise pytest.UsageError(
            f"--engine: there is no engine {name!r}; is the package with its entry point installed?"
        )


def named_engine(config: pytest.Config) -> str | None:
    """None, also where this folder is one of many that are tested, and pytest does not know its options."""
    name: str | None = config.getoption("--engine", None)
    return name


@cache
def hearing_cases(config: pytest.Config) -> list[HearingCase]:
    name = named_engine(config)
    if name is None:
        return HEARING_CASES
    if name not in registered(HEARING, HEARING_GROUP):
        return []
    return [
        HearingCase(
            name,
            lambda: read_recordings(config.getoption("--recordings")),
            HearingSetup(config.getoption("--model"), options=_options(config)),
            architecture=None,
            word_error_rate=config.getoption("--word-error-rate"),
            silent_on=frozenset({"silence"}),
            has_model=bool(config.getoption("--model")),
        )
    ]


@cache
def speaking_cases(config: pytest.Config) -> list[SpeakingCase]:
    name = named_engine(config)
    if name is None:
        return SPEAKING_CASES
    if name not in registered(SPEAKING, SPEAKING_GROUP):
        return []
    model = config.getoption("--model")
    setup = SpeakingSetup(model=model, options=_options(config))
    return [SpeakingCase(name, setup, exact=False, speed_tolerance=0.3, has_model=bool(model))]


def _options(config: pytest.Config) -> dict[str, str | int | float | bool]:
    """Values as in the settings' files: 5 is a number, and what TOML does not know is a text."""
    options = {}
    for option in config.getoption("--engine-option"):
        key, _, value = option.partition("=")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config, wanted = metafunc.config, metafunc.fixturenames
    if "hearing" in wanted:
        cases = [
            pytest.param((case, way), id=f"{case.name}-{way}", marks=_marks(case))
            for case in hearing_cases(config)
            for way in ("plain", "hosted")
            if (way == "hosted" and case.hosted) or (way == "plain" and "hosted_only" not in wanted)
        ]
        metafunc.parametrize("hearing", cases, indirect=True, scope="module")
    if "speaking" in wanted:
        metafunc.parametrize("speaking", _params(speaking_cases(config)), indirect=True, scope="module")
    for name, cases in (("hearing_case", hearing_cases(config)), ("speaking_case", speaking_cases(config))):
        if name in wanted:
            metafunc.parametrize(name, _params(cases))
        if f"{name}_with_model" in wanted:
            metafunc.parametrize(f"{name}_with_model", _params([case for case in cases if case.has_model]))


def _params(cases: list[HearingCase] | list[SpeakingCase]) -> list[object]:
    return [
        pytest.param(case, id="-".join(filter(None, [case.name, getattr(case.setup, "voice", "")])), marks=_marks(case))
        for case in cases
    ]


def _marks(case: HearingCase | SpeakingCase) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if case.slow else []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With an engine named, what does not concern it is left out: our table, the page, a row without an engine."""
    if named_engine(config) is None:
        return
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    left_out = [
        item
        for item in ours
        if not FIXTURES.intersection(getattr(item, "fixturenames", ())) or not hasattr(item, "callspec")
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="module", autouse=True)
def packages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Engines of the table that are not voicetrio's own are installed. One that is named is installed already."""
    if named_engine(request.config) is not None:
        yield
        return
    folder = tmp_path_factory.mktemp("packages")
    write_package(
        folder,
        "touch-tones",
        {"touch_tones": touch_tones()},
        {"voicetrio.stt_engines": {"touch-tones": "touch_tones:ENTRY"}},
    )
    write_package(folder, "batched", {}, {"voicetrio.stt_engines": {"batched": "tests.fakes.batched_engine:ENTRY"}})
    with pytest.MonkeyPatch.context() as patch:
        put_on_path(patch, folder)
        yield


_last: list[tuple[HearingCase, HearingEngine]] = []
"""The engine that was loaded last: its two ways come one after the other, and no other one has to stay in memory."""


@pytest.fixture(scope="module")
def hearing(request: pytest.FixtureRequest) -> Iterator[Hearing]:
    case, way = request.param
    if not _last or _last[0][0] is not case:
        _last[:] = [(case, load_hearing(case.name, case.setup))]
    engine = _last[0][1]
    with hosted(engine) if way == "hosted" else nullcontext(PlainCalls(engine)) as calls:
        yield Hearing(case, engine, calls, case.recordings(), 8 if way == "hosted" else 3)


@pytest.fixture(scope="module")
def speaking(request: pytest.FixtureRequest) -> Speaking:
    return Speaking(request.param, load_speaking(request.param.name, request.param.setup))


@pytest.fixture
def hosted_only() -> None:
    """For a test of what plain calls cannot do: one of them is never left while it is under way."""
