"""Settings that cannot work are refused before a session meets them."""

import pytest

from voicetrio.agent import AgentConfig, open_agent


def test_the_default_agent_needs_nothing():
    assert AgentConfig().kind == "embedded"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8001",
        "ftp://127.0.0.1",
        "http://",
        "http://:8001",
        "http://a..b",
        "http://" + "a" * 64,
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://user:passw0rd@",
        "\x00",
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_showing_it(url):
    for kind in ("runtime", "chat"):
        with pytest.raises(ValueError, match=r"^agent\.url: must be an address such as http://127.0.0.1:8001$"):
            AgentConfig(kind, url)
    assert AgentConfig("embedded", url).url == url


@pytest.mark.parametrize("url", ["http://localhost:11434/v1", "https://[::1]:8001/", "HTTP://agent", "http://агент.рф"])
def test_a_url_that_may_lead_somewhere_is_taken(url):
    assert AgentConfig("runtime", url).url == url


@pytest.mark.parametrize("key", ["secret\n", "sec ret", "секрет", "secret\x00", "\tsecret"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(key):
    with pytest.raises(ValueError, match=r"^agent\.api_key") as caught:
        AgentConfig(api_key=key)
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_a_number_of_seconds(seconds):
    with pytest.raises(ValueError, match=r"^agent\.connect_timeout"):
        AgentConfig(connect_timeout=seconds)


def test_an_event_has_at_least_a_byte():
    with pytest.raises(ValueError, match=r"^agent\.max_event_bytes"):
        AgentConfig(max_event_bytes=0)


async def test_each_kind_is_opened_by_its_name():
    for kind in ("embedded", "runtime", "chat"):
        async with open_agent(AgentConfig(kind, "http://127.0.0.1:9")) as agent:
            assert agent.kind == kind
            assert agent.keeps_dialogs == (kind == "runtime")
