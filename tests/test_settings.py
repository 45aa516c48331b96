"""Settings from files and the environment, all that can be wrong with them, and `voicetrio config check`."""

import argparse
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from voicetrio.cli import config_check
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import VoicetrioError
from voicetrio.core.states import StateTimeouts
from voicetrio.settings import ConfigError, Settings, load_settings, trace_settings
from voicetrio.worker.config import WorkerConfig

CONFIG = Path(__file__).parent.parent / "config"
KEYS = {(section, key) for section, info in Settings.model_fields.items() for key in info.annotation.model_fields}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file and returns its name, relative to the folder that the test runs in."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="a.toml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


def faults(*files, **environ):
    """What is wrong, without the lines; those have tests of their own."""
    with pytest.raises(ConfigError) as caught:
        load_settings(files, environ)
    return [re.sub(r"^(\S+\.toml):\d+: ", r"\1: ", fault) for fault in caught.value.faults]


# The shipped files.


def test_default_file_has_every_key_and_its_default():
    document = tomllib.loads((CONFIG / "default.toml").read_text())
    assert {(section, key) for section, table in document.items() for key in table} == KEYS
    assert document == Settings().model_dump(mode="json")
    assert load_settings([CONFIG / "default.toml"], {}) == Settings()


def test_default_file_keeps_integers_and_floats_apart():
    document = tomllib.loads((CONFIG / "default.toml").read_text())
    for section, table in Settings().model_dump(mode="json").items():
        assert {key: type(value) for key, value in document[section].items()} == {
            key: type(value) for key, value in table.items()
        }


@pytest.mark.parametrize("name", ["default.toml", "lan.toml", "bench.toml"])
def test_every_key_of_a_shipped_file_has_a_comment(name):
    previous = ""
    for line in (CONFIG / name).read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            assert previous.startswith("#"), line
        previous = line


def test_lan_file_changes_the_host_only():
    trace = trace_settings([CONFIG / "lan.toml"], {})
    assert list(trace.origins) == ["server.host"]
    assert trace.settings.server.host == "0.0.0.0"


def test_bench_file():
    trace = trace_settings([CONFIG / "default.toml", CONFIG / "bench.toml"], {})
    settings = trace.settings
    assert (settings.stt.engine, settings.tts.engine) == ("instant", "instant")
    assert (settings.server.max_sessions, settings.stt.slots, settings.log.level) == (1000, 1000, "warning")
    assert sum(origin.startswith(str(CONFIG / "bench.toml")) for origin in trace.origins.values()) == 6


# What the rest of the program gets.


def test_defaults_are_those_of_core():
    assert Settings().session_config() == SessionConfig()
    assert Settings().session_limits() == SessionLimits()


def test_defaults_are_those_of_the_worker():
    settings, worker = Settings(), WorkerConfig()
    assert settings.worker.listen == worker.listen
    stt, tts = settings.stt, settings.tts
    assert (stt.engine, stt.model, stt.slots, stt.processes) == (
        worker.stt_engine,
        worker.stt_model,
        worker.stt_slots,
        worker.stt_processes,
    )
    assert (tts.engine, tts.voice, tts.slots) == (worker.tts_engine, worker.tts_voice, worker.tts_slots)


def test_session_config_and_limits_take_every_setting(write):
    file = write(
        """
        [session]
        init_timeout = 1
        silence_timeout = 2
        hold_timeout = 3
        closing_timeout = 4
        max_segment = 5
        pre_roll = 0.6
        end_silence = 0.7
        max_backlog = 8
        recovery_timeout = 9
        max_message_bytes = 10000
        max_text_chars = 11
        max_queued_utterances = 12
        vad_sensitivity = "high"
        duplex = "barge_in"
        language = "de-AT"
        [tts]
        voice = "anna"
        sample_rate = 16000
        """
    )
    settings = load_settings([file], {})
    assert settings.session_config() == SessionConfig(
        language="de-AT",
        vad_sensitivity="high",
        timeouts=StateTimeouts(init=1, silence=2, hold=3, closing=4),
        max_segment_seconds=5,
        duplex="barge_in",
        voice="anna",
        output_sample_rate=16_000,
    )
    assert settings.session_limits() == SessionLimits(
        pre_roll=0.6,
        end_silence=0.7,
        max_backlog=8,
        recovery_timeout=9,
        max_message_bytes=10_000,
        max_text_chars=11,
        max_queued_utterances=12,
    )


def test_settings_cannot_be_changed():
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.server.port = 1
    with pytest.raises(ValidationError):
        settings.server = settings.server
    hash(settings.session)


# Where values come from.


def test_nothing_set():
    trace = trace_settings([], {})
    assert trace.settings == Settings()
    assert trace.origins == {}


def test_later_files_win_and_the_environment_wins_over_them(write):
    first = write("[server]\nhost = 'a'\nport = 1\nmax_sessions = 1\n", "first.toml")
    second = write("[server]\nport = 2\nmax_sessions = 2\n", "second.toml")
    trace = trace_settings([first, Path(second)], {"VOICETRIO_SERVER__MAX_SESSIONS": "3"})
    server = trace.settings.server
    assert (server.host, server.port, server.max_sessions, server.shutdown_grace) == ("a", 1 + 1, 3, 5.0)
    assert trace.origins == {
        "server.host": "first.toml:2",
        "server.port": "second.toml:2",
        "server.max_sessions": "environment VOICETRIO_SERVER__MAX_SESSIONS",
    }


@pytest.mark.parametrize(
    ("variable", "text", "section", "key", "value"),
    [
        ("SERVER__PORT", "0", "server", "port", 0),
        ("SERVER__HOST", "::", "server", "host", "::"),
        ("SERVER__SHUTDOWN_GRACE", "7", "server", "shutdown_grace", 7.0),
        ("SESSION__END_SILENCE", " 0.25 ", "session", "end_silence", 0.25),
        ("SESSION__LANGUAGE", "de-AT", "session", "language", "de-AT"),
        ("AGENT__MODEL", "12", "agent", "model", "12"),
        ("SESSION__LANGUAGE", "", "session", "language", ""),
        ("SESSION__DUPLEX", "barge_in", "session", "duplex", "barge_in"),
        ("WORKERS__LOCAL", "true", "workers", "local", True),
        ("WORKERS__ADDRESSES", '["a:1", "unix:/b"]', "workers", "addresses", ("a:1", "unix:/b")),
        ("WORKER__LISTEN", "unix:/run/worker", "worker", "listen", "unix:/run/worker"),
    ],
)
def test_environment_values(variable, text, section, key, value):
    settings = load_settings([], {f"VOICETRIO_{variable}": text})
    found = getattr(getattr(settings, section), key)
    assert found == value
    assert type(found) is type(value)


def test_other_variables_are_not_settings():
    environ = {"VOICETRIO_CONFIG": "x", "VOICETRIO_HOME": "x", "PATH": "x", "XVOICETRIO_A__B": "x", "A__B": ""}
    assert load_settings([], environ) == Settings()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("VOICETRIO_LOG_LEVEL", "VOICETRIO_LOG__LEVEL"),
        ("VOICETRIO_SERVER_PORT", "VOICETRIO_SERVER__PORT"),
        ("VOICETRIO_AGENT_API_KY", "VOICETRIO_AGENT__API_KEY"),
        ("voicetrio_agent_url", "VOICETRIO_AGENT__URL"),
    ],
)
def test_a_variable_that_was_meant_for_a_setting_is_told(variable, meant):
    assert faults(**{variable: "s3cr3t"}) == [f"environment {variable}: is no setting, did you mean {meant}?"]


def test_small_letters_are_told_with_the_right_ones():
    assert faults(voicetrio_agent__url="x") == [
        "environment voicetrio_agent__url: must be in capitals: VOICETRIO_AGENT__URL"
    ]


def test_what_kubernetes_says_of_a_service_of_that_name_is_not_for_us():
    environ = {
        "VOICETRIO_SERVICE_HOST": "10.0.0.1",
        "VOICETRIO_SERVICE_PORT": "8000",
        "VOICETRIO_PORT": "tcp://10.0.0.1:8000",
        "VOICETRIO_PORT_8000_TCP_ADDR": "10.0.0.1",
        "VOICETRIO_SERVER_PORT": "tcp://10.0.0.1:8000",
        "VOICETRIO_SERVER_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "VOICETRIO_WORKERS_SERVICE_HOST": "10.0.0.1",
    }
    assert load_settings([], environ) == Settings()


def test_a_bad_value_that_is_overridden_harms_nobody(write):
    assert load_settings([write("[server]\nport = -1\n")], {"VOICETRIO_SERVER__PORT": "9"}).server.port == 9


def test_a_fault_is_told_with_its_line(write):
    file = write("[server]\n# a comment\nport = -1\nhots = 1\n\n[srever]\n[stt]\nslots = 0\n")
    with pytest.raises(ConfigError) as caught:
        load_settings([file], {"VOICETRIO_STT__ENGINE": ""})
    assert list(caught.value.faults) == [
        "a.toml:4: server.hots: unknown key, did you mean host?",
        "a.toml:6: srever: unknown section, did you mean server?",
        "a.toml:3: server.port: must be at least 0",
        "a.toml:8: stt.slots: must be at least 1",
        "environment VOICETRIO_STT__ENGINE: must not be empty",
    ]


# Addresses: written as they can match, or refused.


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("server.allowed_origins", '["HTTPS://App.Example:443/"]', ("https://app.example",)),
        ("server.allowed_origins", '["http://[::0:1]:80", "*", "null"]', ("http://[::1]", "*", "null")),
        ("server.allowed_origins", '["chrome-extension://abc"]', ("chrome-extension://abc",)),
        ("server.host", '"[::1]"', "::1"),
        ("server.host", '"voice-1.example"', "voice-1.example"),
        ("session.language", '"de_AT"', "de-AT"),
        ("agent.url", '"http://127.0.0.1:8001/v1/"', "http://127.0.0.1:8001/v1"),
    ],
)
def test_what_can_be_meant_in_one_way_only_is_put_right(write, key, value, meant):
    section, name = key.split(".")
    settings = load_settings([write(f"[{section}]\n{name} = {value}\n")], {})
    assert getattr(getattr(settings, section), name) == meant


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("server.allowed_origins", '["https://a.example/app"]', "item 1: must end after the host and its port"),
        ("server.allowed_origins", '["https://a.example?x"]', "item 1: must end after the host and its port"),
        ("server.allowed_origins", '["*", "a.example"]', "item 2: must begin with a scheme"),
        ("server.allowed_origins", '["https://*.a.example"]', "item 1: must not have a wildcard"),
        ("server.allowed_origins", '["wss://a.example"]', "item 1: must begin with https://"),
        ("server.allowed_origins", '["https://me@a.example"]', "item 1: must not have a user"),
        ("server.allowed_origins", '["https://bücher.example"]', "item 1: must have its host in ASCII"),
        ("server.allowed_origins", '["https://a b"]', "item 1: must have a host of letters"),
        ("server.allowed_origins", '["https://a:99999"]', "item 1: "),
        ("server.allowed_origins", '["https://"]', "item 1: must have a host"),
        ("server.host", '"http://0.0.0.0"', "must be an address or a host name alone, such as"),
        ("server.host", '"0.0.0.0:8000"', "must be an address or a host name alone: the port is the key server.port"),
        ("server.host", '"a b"', "must be an address, such as"),
        ("session.language", '"german"', "must be a BCP 47 tag"),
        ("session.language", '"de_AT.UTF-8"', "must be a BCP 47 tag"),
        ("agent.url", '"http://a/?key=1"', "must end with its path"),
        ("agent.url", '"http://a..b"', "must be an address like"),
        ("workers.addresses", '["a:1", "a:1"]', "addresses has one twice"),
    ],
)
def test_what_can_never_match_is_refused(write, key, value, text):
    section, name = key.split(".")
    (fault,) = faults(write(f"[{section}]\n{name} = {value}\n"))
    assert fault.startswith(f"a.toml: {key}: {text}")


def test_an_agents_address_has_not_its_path_in_it_already(write):
    chat = write("[agent]\nkind = 'chat'\nmodel = 'm'\nurl = 'http://a/v1/chat/completions'\n")
    assert faults(chat) == ["a.toml: agent.url: url must not end with /chat/completions: it is added to it"]


# What can be wrong.


def test_config_error_is_one_of_ours():
    error = ConfigError(["a", "b"])
    assert isinstance(error, VoicetrioError)
    assert error.faults == ("a", "b")
    assert str(error) == "a\nb"


def test_files_that_cannot_be_read(write):
    write("")
    assert faults("none.toml", ".") == [
        "none.toml: cannot be read (No such file or directory)",
        ".: cannot be read (Is a directory)",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[server]\nport 8000\n", 2),
        ("[server]\nport = 1\nport = 2\n", 3),
        ("[server]\n\nhost = '''\nx\n\n", 4),
        (b"[server]\r\nport = 1\r\nhost = '\xff'\r\n", 3),
    ],
)
def test_files_that_are_not_toml(write, text, line):
    (fault,) = faults(write(text))
    assert fault.startswith("a.toml: is not ")
    assert f"(at line {line}" in fault


def test_files_beyond_the_parser(write):
    for value in ("1" * 5000, "[" * 100_000):
        (fault,) = faults(write(f"x = {value}"))
        assert fault.startswith("a.toml: is not TOML: ")
        assert faults(VOICETRIO_STT__SLOTS=value) == [
            "environment VOICETRIO_STT__SLOTS: must be an integer (is not a TOML value)"
        ]


def test_numbers_beyond_a_float(write):
    (fault,) = faults(write(f"[session]\nhold_timeout = {10**400}\n"))
    assert fault.startswith("a.toml: session.hold_timeout: must be a")


def test_unknown_names(write):
    file = write("prot = 1\nlog = 'debug'\n[sever]\nport = 1\n[server]\nprot = 1\nxyz = 2\nmax-sessions = 3\n")
    assert faults(file) == [
        "a.toml: prot: unknown section",
        "a.toml: log: must be a section, as [log] (is a string)",
        "a.toml: sever: unknown section, did you mean server?",
        "a.toml: server.prot: unknown key, did you mean port?",
        "a.toml: server.xyz: unknown key",
        "a.toml: server.max-sessions: unknown key, did you mean max_sessions?",
    ]


def test_unknown_environment_names():
    environ = {
        "VOICETRIO_SERVER__PROT": "1",
        "VOICETRIO_SEVER__PORT": "1",
        "VOICETRIO_server__port": "1",
        "VOICETRIO___": "1",
        "VOICETRIO_SERVER__": "1",
        "VOICETRIO_SERVER__PORT__X": "1",
    }
    assert faults(**environ) == [
        "environment VOICETRIO_SERVER__: unknown key",
        "environment VOICETRIO_SERVER__PORT__X: unknown key, did you mean port?",
        "environment VOICETRIO_SERVER__PROT: unknown key, did you mean port?",
        "environment VOICETRIO_SEVER__PORT: unknown section, did you mean server?",
        "environment VOICETRIO___: unknown section",
        "environment VOICETRIO_server__port: must be in capitals: VOICETRIO_SERVER__PORT",
    ]


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("server.port", '"8000"', "must be an integer (is a string)"),
        ("server.port", "8000.0", "must be an integer (is a float)"),
        ("server.port", "true", "must be an integer (is a boolean)"),
        ("server.port", "{ x = 1 }", "must be an integer (is a table)"),
        ("server.port", "2000-01-01", "must be an integer (is a date or time)"),
        ("server.port", "-1", "must be at least 0"),
        ("server.port", "65536", "must be at most 65535"),
        ("server.host", "1", "must be a string (is an integer)"),
        ("server.host", '""', "must not be empty"),
        ("server.max_sessions", "0", "must be at least 1"),
        ("server.shutdown_grace", "-0.1", "must be at least 0"),
        ("session.init_timeout", "0", "must be more than 0"),
        ("session.hold_timeout", "inf", "must be a finite number"),
        ("session.hold_timeout", "nan", "must be a finite number"),
        ("session.closing_timeout", "true", "must be a number (is a boolean)"),
        ("session.closing_timeout", '"2"', "must be a number (is a string)"),
        ("session.max_segment", "0.9", "must be at least 1"),
        ("session.max_segment", "50.1", "must be at most 50"),
        ("session.pre_roll", "-0.1", "must be at least 0"),
        ("session.pre_roll", "1.1", "must be at most 1"),
        ("session.end_silence", "0.05", "must be at least 0.1"),
        ("session.end_silence", "6", "must be at most 5"),
        ("session.max_message_bytes", "10", "must be at least 1024"),
        ("session.duplex", '"full"', "must be 'mute' or 'barge_in'"),
        ("session.vad_sensitivity", "1", "must be 'low', 'normal' or 'high' (is an integer)"),
        ("tts.sample_rate", "7999", "must be at least 8000"),
        ("tts.sample_rate", "48001", "must be at most 48000"),
        ("stt.processes", "-1", "must be at least 0"),
        ("stt.engine", '""', "must not be empty"),
        ("workers.local", "1", "must be true or false (is an integer)"),
        ("workers.local", '"yes"', "must be true or false (is a string)"),
        ("workers.addresses", '"a:1"', "must be an array (is a string)"),
        ("workers.addresses", "[1]", "item 1: must be a string (is an integer)"),
        ("log.level", '"loud"', "must be 'debug', 'info', 'warning' or 'error'"),
        ("log.format", '"xml"', "must be 'auto', 'console' or 'json'"),
    ],
)
def test_wrong_values(write, key, value, text):
    section, name = key.split(".")
    assert faults(write(f"[{section}]\n{name} = {value}\n")) == [f"a.toml: {key}: {text}"]


@pytest.mark.parametrize(
    ("variable", "text", "fault"),
    [
        ("SERVER__PORT", "many", "must be an integer (is not a TOML value)"),
        ("SERVER__PORT", "", "must be an integer (is not a TOML value)"),
        ("SERVER__PORT", "1\nhost = 'x'", "must be an integer (is not a TOML value)"),
        ("SERVER__PORT", "1.5", "must be an integer (is a float)"),
        ("SERVER__PORT", "70000", "must be at most 65535"),
        ("SERVER__HOST", "", "must not be empty"),
        ("WORKERS__LOCAL", "yes", "must be true or false (is not a TOML value)"),
        ("WORKERS__ADDRESSES", "a:1", "must be an array (is not a TOML value)"),
        ("LOG__LEVEL", "INFO", "must be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_wrong_environment_values(variable, text, fault):
    assert faults(**{f"VOICETRIO_{variable}": text}) == [f"environment VOICETRIO_{variable}: {fault}"]


@pytest.mark.parametrize("address", ["h:1", "10.0.0.1:65535", "[::1]:50051", "unix:/run/w", "unix:///run/w"])
def test_addresses(address):
    assert load_settings([], {"VOICETRIO_WORKERS__ADDRESSES": f"['{address}']"}).workers.addresses == (address,)
    assert load_settings([], {"VOICETRIO_WORKER__LISTEN": address}).worker.listen == address


@pytest.mark.parametrize(
    "address",
    [
        *["", "h", ":1", "h:", "h:x", "h:65536", "h:-1", "h:²", "h:11111111", "h:" + "1" * 5000],
        *["::1:1", "[]:1", "http://h:1", "a b:1", "unix:", "unix:/", "unix:w"],
    ],
)
def test_addresses_that_are_none(address):
    text = "must be host:port, [IPv6 address]:port or unix:/path"
    assert faults(VOICETRIO_WORKER__LISTEN=address) == [f"environment VOICETRIO_WORKER__LISTEN: {text}"]
    assert faults(VOICETRIO_WORKERS__ADDRESSES=f"['h:1', '{address}']") == [
        f"environment VOICETRIO_WORKERS__ADDRESSES: item 2: {text}"
    ]


def test_only_a_listener_may_ask_for_any_port():
    assert load_settings([], {"VOICETRIO_WORKER__LISTEN": "h:0"}).worker.listen == "h:0"
    (fault,) = faults(VOICETRIO_WORKERS__ADDRESSES="['h:0']")
    assert "item 1: must be host:port" in fault


RING_TEXT = "max_segment and max_backlog must be less than 60 s together: the ring buffer holds no more"


def test_segment_and_backlog_must_fit_the_ring(write):
    assert load_settings([write("[session]\nmax_segment = 45\nmax_backlog = 14.9\n")], {}).session.max_segment == 45
    # The backlog's default is what the other one does not fit.
    assert faults(write("[session]\nmax_segment = 50\n")) == [f"a.toml: session.max_segment: {RING_TEXT}"]


def test_a_combination_is_told_of_the_key_that_was_set_last(write):
    first = write("[session]\nmax_segment = 40\n", "first.toml")
    second = write("[session]\nmax_backlog = 20\n", "second.toml")
    assert faults(first, second) == [f"second.toml: session.max_backlog: {RING_TEXT}"]
    assert faults(second, first) == [f"first.toml: session.max_segment: {RING_TEXT}"]
    # `first` has set both here, but the environment has the last word about one.
    both = write("[session]\nmax_backlog = 1\nmax_segment = 40\n", "both.toml")
    variable = "VOICETRIO_SESSION__MAX_BACKLOG"
    assert faults(both, **{variable: "25"}) == [f"environment {variable}: {RING_TEXT}"]


# How long a frozen worker may take to be replaced.


def test_a_session_outlasts_the_freeze_of_a_worker_by_default():
    settings = Settings()
    assert settings.workers.recovery.needs <= settings.session.recovery_timeout
    limits = settings.session_limits()
    assert limits.worker_silence == settings.workers.health_timeout
    assert limits.closing_max > limits.worker_silence + limits.recovery_timeout


def test_the_parts_of_a_recovery_must_fit_into_its_timeout(write):
    keys = ("workers.health_interval", "workers.restart_backoff_max", "workers.restart_budget")
    for key, value in zip(keys, (2.5, 4, 7), strict=True):
        (fault,) = faults(write(f"[workers]\n{key.partition('.')[2]} = {value}\n"))
        assert fault.startswith(f"a.toml: {key}: ")
        assert all(name in fault for name in (*keys, "session.recovery_timeout"))
    (fault,) = faults(write("[session]\nrecovery_timeout = 8.9\n"))
    assert fault.startswith("a.toml: session.recovery_timeout: ")
    assert (
        "workers.health_interval (1) + workers.restart_backoff_max (2) + workers.restart_budget (5) + 1 s = 9 s"
        in fault
    )


def test_where_no_process_is_ours_nothing_is_started_again(write):
    elsewhere = '[workers]\nlocal = false\naddresses = ["h:1"]\nrestart_budget = 40\n[session]\nrecovery_timeout = 2\n'
    assert load_settings([write(elsewhere)], {}).session.recovery_timeout == 2
    (fault,) = faults(write(elsewhere.replace("= 2\n", "= 1.9\n")))
    assert "restart" not in fault


def test_what_is_said_until_a_worker_is_replaced_must_fit_the_ring(write):
    text = "[session]\nrecovery_timeout = 60\nmax_segment = 20\n[workers]\nrestart_budget = "
    assert load_settings([write(text + "31\n")], {}).workers.recovery.outage == 40
    (fault,) = faults(write(text + "31.1\n"))
    assert "session.max_segment (20) + workers.health_timeout (5) + " in fault
    assert "60 s" in fault


def test_a_large_models_flush_is_not_cut_short(write):
    text = "[session]\nrecovery_timeout = 40\nmax_segment = 20\n[workers]\nrestart_budget = 30\n"
    limits = load_settings([write(text)], {}).session_limits()
    assert limits.closing_max > limits.worker_silence + limits.recovery_timeout


def test_a_server_without_any_worker(write):
    text = "workers.local: local = false needs addresses or more: without any of them there is no worker"
    assert faults(write("[workers]\nlocal = false\n")) == [f"a.toml: {text}"]
    assert not load_settings(["a.toml"], {"VOICETRIO_WORKERS__ADDRESSES": '["h:1"]'}).workers.local


def test_combinations_are_found_beside_wrong_values_but_not_made_of_them(write):
    file = write("[session]\nmax_segment = 50\nmax_backlog = 20\nduplex = 1\n[workers]\nlocal = false\naddresses = 1\n")
    assert faults(file) == [
        "a.toml: session.duplex: must be 'mute' or 'barge_in' (is an integer)",
        "a.toml: workers.addresses: must be an array (is an integer)",
        f"a.toml: session.max_segment: {RING_TEXT}",
    ]


def test_everything_is_told_at_once(write):
    first = write("[server]\nport = 'x'\nhost = 1\n", "first.toml")
    second = write("[server]\nport = -1\nprot = 1\n", "second.toml")
    broken = write("[", "broken.toml")
    found = faults(first, "none.toml", broken, second, VOICETRIO_LOG__LEVEL="loud", VOICETRIO_LGO__LEVEL="x")
    assert [fault.split(": ")[0] for fault in found] == [
        "first.toml",
        "none.toml",
        "broken.toml",
        "second.toml",
        "second.toml",
        "environment VOICETRIO_LGO__LEVEL",
        "environment VOICETRIO_LOG__LEVEL",
    ]
    assert found[0] == "first.toml: server.host: must be a string (is an integer)"
    assert found[4] == "second.toml: server.port: must be at least 0"


def test_no_fault_has_a_value(write):
    secret = "s3cr3t"
    file = write(
        f"api_key = '{secret}'\n[server]\napi_secret = '{secret}'\nport = '{secret}'\n[session]\nduplex = '{secret}'\n"
        f"[workers]\naddresses = ['{secret}']\n"
    )
    environ = {"VOICETRIO_SERVER__TOKEN": secret, "VOICETRIO_STT__SLOTS": secret, "VOICETRIO_LOG__LEVEL": secret}
    with pytest.raises(ConfigError) as caught:
        load_settings([file], environ)
    assert len(caught.value.faults) == 8
    assert secret not in str(caught.value)
    assert caught.value.__context__ is None


# The command.


@pytest.fixture
def check(monkeypatch, capsys):
    """Runs the command in an environment of its own; returns the exit code and what was printed."""
    for section, key in KEYS:
        monkeypatch.delenv(f"VOICETRIO_{section}__{key}".upper(), raising=False)
    parser = argparse.ArgumentParser()
    config_check.add_parser(parser.add_subparsers(required=True))

    def check(*files):
        args = parser.parse_args(["config", "check", *files])
        code = args.command(args)
        output = capsys.readouterr()
        return code, output.out.splitlines(), output.err.splitlines()

    return check


def test_check_of_nothing(check):
    assert check() == (0, ["nothing is set; the defaults are fine"], [])


def test_check_of_the_default_file(check):
    file = str(CONFIG / "default.toml")
    assert check(file) == (0, [f"{len(KEYS)} keys from {file} are fine"], [])


def test_check_shows_what_differs_and_where_it_comes_from(check, write, monkeypatch):
    first = write("[server]\nport = 8000\n[agent]\ninstructions = 'ü'\n[workers]\naddresses = ['h:1']\n", "first.toml")
    second = write("[session]\nmax_segment = 20\n", "second.toml")
    monkeypatch.setenv("VOICETRIO_WORKERS__LOCAL", "false")
    assert check(first, second) == (
        0,
        [
            "5 keys from first.toml, second.toml, the environment are fine",
            "session.max_segment = 20.0  # second.toml:2",
            'agent.instructions = "ü"  # first.toml:4',
            "workers.local = false  # environment VOICETRIO_WORKERS__LOCAL",
            'workers.addresses = ["h:1"]  # first.toml:6',
        ],
        [],
    )
    assert check(second)[0] == 2


def test_check_of_one_key(check, write):
    assert check(write("[server]\nport = 8000\n")) == (0, ["1 key from a.toml is fine"], [])


def test_check_tells_all_faults(check, write):
    file = write("[server]\nport = 'x'\nprot = 1\n")
    assert check(file, "none.toml") == (
        2,
        [],
        [
            "a.toml:3: server.prot: unknown key, did you mean port?",
            "a.toml:2: server.port: must be an integer (is a string)",
            "none.toml: cannot be read (No such file or directory)",
        ],
    )


def test_check_shows_no_secret():
    assert config_check._shown("api_key", "s3cr3t") == "(not shown)"
    assert config_check._shown("voice", "anna") == '"anna"'


def test_config_needs_an_action(check, capsys):
    parser = argparse.ArgumentParser(prog="voicetrio")
    config_check.add_parser(parser.add_subparsers(required=True))
    with pytest.raises(SystemExit):
        parser.parse_args(["config"])
    assert "ACTION" in capsys.readouterr().err
