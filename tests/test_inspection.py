"""What only engines know of settings, told together with all else, each with its key and its place."""

import argparse

import pytest

from voicetrio.cli import config_check
from voicetrio.cli.checking import check_settings, files_of
from voicetrio.settings import ConfigError, EngineAnswer, trace_settings

from .test_settings import write  # noqa: F401 - a fixture

KNOWN = {"pocketsphinx": "en-us", "faster-whisper": "small", "instant": "checksum"}


class Inspector:
    """Knows three engines that hear, of which one does not tell its languages, and one that speaks."""

    def __init__(self):
        self.asked = []

    def engines(self, questions):
        self.asked = [(question.section, question.values["engine"]) for question in questions]
        return [self.answer(question.section, question.values) for question in questions]

    def answer(self, section, values):
        if section == "tts":
            return EngineAnswer() if values["voice"] in ("", "en") else EngineAnswer(("tts.voice: unknown voice",))
        if values["engine"] not in KNOWN:
            return EngineAnswer(("stt.engine: there is no such engine",))
        if values["options"]:
            return EngineAnswer(("stt.options.beam: no such option", "stt.model: there is no folder"))
        languages = None if values["engine"] == "faster-whisper" else ("en",)
        return EngineAnswer(model=f"{values['engine']} {KNOWN[values['engine']]}", languages=languages)

    def detector(self, vad):
        return "is not installed" if vad == "silero" else ""


def faults(*files, environ=None, worker_only=False):
    with pytest.raises(ConfigError) as caught:
        trace_settings(files, environ or {}, inspector=Inspector(), worker_only=worker_only)
    return list(caught.value.faults)


def asked(*files, worker_only=False):
    inspector = Inspector()
    trace_settings(files, {}, inspector=inspector, worker_only=worker_only)
    return inspector.asked


def test_all_faults_of_all_engines_are_told_with_all_others(write):  # noqa: F811
    more = write("[stt]\nengine = 'nope'\n[tts]\nvoice = 'nobody'\n", "more.toml")
    file = write(
        f"[server]\nport = 'x'\n[session]\nvad = 'silero'\n[stt]\noptions = {{ beam = 1 }}\n[workers]\nmore = ['{more}']\n"
    )
    assert sorted(faults(file, environ={"VOICETRIO_TTS__VOICE": "x"})) == sorted(
        [
            "a.toml:2: server.port: must be an integer (is a string)",
            "a.toml:6: stt.options.beam: no such option",
            "a.toml:4: session.vad: is not installed",
            "environment VOICETRIO_TTS__VOICE: unknown voice",
            "stt.model, which is not set: there is no folder",
            "more.toml:2: stt.engine: there is no such engine",
            "more.toml:4: tts.voice: unknown voice",
        ]
    )


def test_a_key_that_is_not_set_is_told_where_the_engine_is_chosen(write):  # noqa: F811
    file = write("[stt]\nengine = 'pocketsphinx'\noptions = { beam = 1 }\n")
    assert "a.toml:2: stt.model: there is no folder" in faults(file)


def test_a_section_with_a_wrong_value_is_not_asked_about_and_the_other_is(write):  # noqa: F811
    file = write("[stt]\nengine = 'nope'\nslots = 0\n[tts]\nvoice = 'nobody'\n")
    assert faults(file) == ["a.toml:3: stt.slots: must be at least 1", "a.toml:5: tts.voice: unknown voice"]


def test_only_workers_of_this_machine_are_asked_about(write):  # noqa: F811
    more = write("[stt]\nengine = 'faster-whisper'\n[tts]\nengine = 'none'\n", "more.toml")
    local = [("stt", "pocketsphinx"), ("tts", "espeak-ng")]
    whisper = [("stt", "faster-whisper")]
    assert asked() == local
    assert asked(write(f"[workers]\nmore = ['{more}', '{more}']\n")) == local + whisper
    assert asked(write(f"[workers]\nlocal = false\nmore = ['{more}']\n")) == whisper
    assert asked(write("[workers]\nlocal = false\naddresses = ['h:1']\n")) == []
    assert asked(write("[workers]\nlocal = false\naddresses = ['h:1']\n"), worker_only=True) == local


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "model = 'whisper'",
            "session.model: no worker hears with it; there are: pocketsphinx en-us, instant checksum",
        ),
        ("model = 'instant'\nlanguage = 'de'", "session.language: instant checksum does not know it; it knows: en"),
        ("language = 'de_AT'", "session.language: pocketsphinx en-us does not know it; it knows: en"),
        ("language = 'en-GB'\nmodel = 'en-us'", None),
    ],
)
def test_what_sessions_begin_with_must_be_there(write, text, fault):  # noqa: F811
    more = write("[stt]\nengine = 'instant'\n", "more.toml")
    file = write(f"[session]\n{text}\n[workers]\nmore = ['{more}']\n")
    if fault is None:
        assert asked(file)
    else:
        (told,) = faults(file)
        assert told.partition(": ")[2] == fault


def test_of_workers_elsewhere_nothing_is_known(write):  # noqa: F811
    asked(write("[session]\nmodel = 'whisper'\nlanguage = 'de'\n[workers]\naddresses = ['h:1']\n"))


def test_an_engine_that_does_not_tell_its_languages_may_know_any(write):  # noqa: F811
    asked(write("[session]\nlanguage = 'de'\n[stt]\nengine = 'faster-whisper'\n"))


# By real engines, in a process of their own.


def test_all_that_real_engines_find_is_told(write):  # noqa: F811
    file = write(
        "[stt]\nengine = 'pocketsphinx'\nmodel = '/nowhere'\noptions = { beam = 1 }\n"
        "[tts]\nengine = 'nope'\n[session]\nlanguage = 'en'\n"
    )
    with pytest.raises(ConfigError) as caught:
        check_settings([file], {})
    keys = [fault.split(": ")[:2] for fault in caught.value.faults]
    assert keys == [["a.toml:4", "stt.options.beam"], ["a.toml:3", "stt.model"], ["a.toml:6", "tts.engine"]]


def test_an_engine_that_ends_its_process_is_told_and_the_others_are_asked(write, monkeypatch, tmp_path):  # noqa: F811
    about = tmp_path / "fatal-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fatal\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[voicetrio.stt_engines]\nfatal = fatal_engine:ENTRY\n")
    (tmp_path / "fatal_engine.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        check_settings([write("[stt]\nengine = 'fatal'\n[tts]\nvoice = 'nobody'\n")], {})
    assert caught.value.faults[0] == (
        "a.toml:2: stt.engine: 'fatal' cannot be looked at: it ends the process that does so (SIGKILL)"
    )
    assert caught.value.faults[1].startswith("a.toml:4: tts.voice: unknown voice 'nobody'")


def test_config_check_is_the_servers_check(write, capsys):  # noqa: F811
    file = write("[tts]\nengine = 'nope'\n")
    assert config_check.run_check(argparse.Namespace(files=[file])) == 2
    assert capsys.readouterr().err.startswith("a.toml:2: tts.engine: there is no engine 'nope'; use one of: espeak-ng")


def test_files_come_from_the_command_line_or_else_from_the_environment():
    environ = {"VOICETRIO_CONFIG": "a.toml:b.toml"}
    assert files_of([], environ) == ["a.toml", "b.toml"]
    assert files_of(["c.toml"], environ) == ["c.toml"]
    assert files_of([], {}) == []
