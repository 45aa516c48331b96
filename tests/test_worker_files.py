"""`workers.more`: files that describe one more worker each, and all that can be wrong with them, told with the rest."""

import argparse

import pytest

from tests.test_settings import faults, write  # noqa: F401 - a fixture
from voicetrio.cli import compose, config_check
from voicetrio.settings import ConfigError, load_settings, load_worker_files


def test_a_file_describes_a_worker_by_what_it_hears_and_speaks_with(write):  # noqa: F811
    more = write('[stt]\nengine = "instant"\nslots = 3\noptions = { a = 1 }\n[tts]\nengine = "none"\n', "more.toml")
    settings = load_settings([write(f'[workers]\nmore = ["{more}", "{more}"]\n')], {})
    one, other = load_worker_files(settings.workers.more)
    assert one == other, "twice the same is two workers"
    config = compose.worker_config(one, listen="unix:/x")
    assert (config.stt_engine, config.stt_slots, config.tts_engine) == ("instant", 3, "none")
    assert config.stt_options == {"a": 1}


def test_the_environment_is_for_the_first_worker_only(write):  # noqa: F811
    more = write('[stt]\nengine = "instant"\n', "more.toml")
    file = write(f'[workers]\nmore = ["{more}"]\n')
    settings = load_settings([file], {"VOICETRIO_STT__SLOTS": "7"})
    assert settings.stt.slots == 7
    assert load_worker_files(settings.workers.more)[0].stt.slots == 16


def test_more_is_enough_without_a_local_worker(write):  # noqa: F811
    more = write("", "more.toml")
    assert load_settings([write(f'[workers]\nlocal = false\nmore = ["{more}"]\n')], {}).workers.more == ("more.toml",)


def test_all_faults_of_all_files_are_told_at_once(write):  # noqa: F811
    write('[stt]\nslots = 0\nmodell = "x"\n[server]\nport = 1\n[log]\nlevel = "info"\n', "one.toml")
    write('[stt]\nengine = "none"\n[tts]\nengine = "none"\n', "two.toml")
    write("[tts]\nsample_rate = 8000\n", "three.toml")
    write("[stt", "four.toml")
    more = '["one.toml", "one.toml", "two.toml", "three.toml", "four.toml", "no.toml"]'
    file = write(f'[server]\nport = "x"\n[workers]\nmore = {more}\n')
    assert faults(file) == [
        "a.toml: server.port: must be an integer (is a string)",
        "one.toml: stt.modell: unknown key, did you mean model?",
        "one.toml: server.port: only [stt] and [tts] describe a worker of workers.more",
        "one.toml: log.level: only [stt] and [tts] describe a worker of workers.more",
        "one.toml: stt.slots: must be at least 1",
        'two.toml: stt.engine: must not be "none" where tts.engine is: the worker could do nothing',
        "three.toml: tts.sample_rate: is the server's: workers speak at their engine's own rate",
        "four.toml: is not TOML: Expected ']' at the end of a table declaration (at line 1, the end of the file)",
        "no.toml: cannot be read (No such file or directory)",
    ]


def test_config_check_looks_into_them_too(write, capsys):  # noqa: F811
    more = write('[stt]\nengine = ""\n', "more.toml")
    file = write(f'[workers]\nmore = ["{more}"]\n')
    assert config_check.run_check(argparse.Namespace(files=[file])) == 2
    assert capsys.readouterr().err == "more.toml:2: stt.engine: must not be empty\n"


def test_a_file_that_has_changed_since_is_told_where_it_is_used(write):  # noqa: F811
    more = write("", "more.toml")
    settings = load_settings([write(f'[workers]\nmore = ["{more}"]\n')], {})
    write("[stt]\nslots = 0\n", "more.toml")
    with pytest.raises(ConfigError, match=r"stt\.slots"):
        load_worker_files(settings.workers.more)


@pytest.mark.parametrize("value", ['"a.toml"', "[1]", "true"])
def test_more_is_an_array_of_names(write, value):  # noqa: F811
    (fault,) = faults(write(f"[workers]\nmore = {value}\n"))
    assert fault.startswith("a.toml: workers.more:")
