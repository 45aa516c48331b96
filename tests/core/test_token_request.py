"""The fields of a request for a token: their names, their limits, and what is refused."""

import pytest

from voicetrio.core.token_request import BadTokenRequest, TokenRequest, parse_request

AGENT = "voicetrio"
FULL = TokenRequest(room="r", identity="i", name="n", metadata="m", attributes={"a": "b"}, agent_metadata="x")


def parse(fields: dict[str, object] | list[tuple[str, object]], agent_name: str = AGENT) -> TokenRequest:
    return parse_request(fields.items() if isinstance(fields, dict) else fields, agent_name=agent_name)


def fault(fields: dict[str, object] | list[tuple[str, object]], agent_name: str = AGENT) -> str:
    with pytest.raises(BadTokenRequest) as caught:
        parse(fields, agent_name)
    return str(caught.value)


def test_the_standards_fields_in_both_styles():
    agents = {"agents": [{"agent_name": AGENT, "metadata": "x"}]}
    snake = {"room_name": "r", "participant_identity": "i", "participant_name": "n", "participant_metadata": "m"}
    assert parse({**snake, "participant_attributes": {"a": "b"}, "room_config": agents}) == FULL
    agents = {"agents": [{"agentName": AGENT, "metadata": "x"}]}
    camel = {"roomName": "r", "participantIdentity": "i", "participantName": "n", "participantMetadata": "m"}
    assert parse({**camel, "participantAttributes": {"a": "b"}, "roomConfig": agents}) == FULL


def test_older_clients_fields():
    assert parse({"room": "r", "identity": "i", "name": "n", "metadata": "m"}) == TokenRequest("r", "i", "n", "m")


def test_what_is_empty_is_not_there():
    assert parse({}) == TokenRequest()
    config = {"name": "", "empty_timeout": 0, "agents": [], "egress": None, "sync_streams": False, "tags": {}}
    nothing = {"room_name": "", "roomName": None, "participant_attributes": {}, "room_config": config}
    assert parse(nothing) == TokenRequest()


@pytest.mark.parametrize("name", ["ttl", "grants", "video", "agent_name", "kind", "participant_kind", "room_preset"])
def test_a_field_that_no_client_may_set_is_named(name: str):
    assert fault({name: "x"}).startswith(f"{name}: no field that a client may set. There are: room_name, ")
    assert fault({name: ""}).startswith(f"{name}: ")


def test_what_somebody_has_made_up_is_not_repeated_at_length():
    text = fault({"\n\x1b[31m" + "x" * 10_000: 1})
    assert text.isprintable()
    assert len(text) < 250


def test_a_field_that_is_there_twice_is_refused():
    assert fault([("room_name", "a"), ("room_name", "b")]) == "room_name: is given twice"
    assert fault({"identity": "a", "participant_identity": "a"}) == "participant_identity: is given twice"


@pytest.mark.parametrize("field", ["room_name", "participant_identity", "participant_name"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 129, "must have at most 128 characters"),
        ("x" * 1000, "must have at most 256 bytes"),
        ("ё" * 129, "must have at most 256 bytes"),
        (7, "must be a string"),
        (["x"], "must be a string"),
        (True, "must be a string"),
        ("\ud83d", "must not have half a character"),
        ("a\nb", "must be printable, on one line, without spaces around it"),
        ("a\x1b[2Jb", "must be printable, on one line, without spaces around it"),
        (" a", "must be printable, on one line, without spaces around it"),
    ],
)
def test_labels(field: str, value: object, text: str):
    assert fault({field: value}) == f"{field}: {text}"


def test_names_of_people_may_be_anything_that_is_written():
    for name in ("Анна", "👩\u200d💻", "x" * 128, "👋" * 64):
        assert parse({"participant_name": name}).name == name
    assert fault({"participant_identity": "a\u202eb"}).startswith("participant_identity: must be printable")


def test_metadata_is_any_text_of_4096_bytes():
    text = '{"a":\n"' + "ё" * 2044 + '"}'
    assert len(text.encode()) == 4097
    assert fault({"participant_metadata": text}) == "participant_metadata: must have at most 4096 bytes"
    assert parse({"participant_metadata": text[:-1]}).metadata == text[:-1]
    assert fault({"participant_metadata": {"a": 1}}) == "participant_metadata: must be a string"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "must be an object of strings"),
        ([["a", "b"]], "must be an object of strings"),
        ({"a": 1}, "must be a string"),
        ({"a": None}, "must be a string"),
        ({"a": "\udc00"}, "must not have half a character"),
        ({str(number): "x" for number in range(17)}, "must have at most 16 entries"),
        ({"a": "x" * 2048, "b": "x" * 2048}, "must have at most 4096 bytes together"),
        ({"lk.agent.state": "speaking"}, "names that begin with lk. are LiveKit's own"),
    ],
)
def test_attributes(value: object, text: str):
    assert fault({"participant_attributes": value}) == f"participant_attributes: {text}"


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ([1], "room_config: must be an object"),
        ({"max_participants": 50}, "room_config.max_participants: no field"),
        ({"egress": {"room": {}}}, "room_config.egress: no field"),
        ({"metadata": "x", "agents": [{"agent_name": AGENT}]}, "room_config.metadata: no field"),
        ({"agents": "voicetrio"}, "room_config.agents: must be an array of at most one agent"),
        ({"agents": [{"agent_name": AGENT}] * 2}, "room_config.agents: must be an array of at most one agent"),
        ({"agents": ["voicetrio"]}, "room_config.agents: must be an object"),
        ({"agents": [{"agent_name": "other"}]}, "room_config.agents: this agent cannot be asked for"),
        ({"agents": [{"metadata": "x"}]}, "room_config.agents: this agent cannot be asked for"),
        ({"agents": [{"agent_name": AGENT, "deployment": "x"}]}, "room_config.agents.deployment: no field"),
        ({"agents": [{"agent_name": AGENT, "metadata": "x" * 4097}]}, "room_config.agents.metadata: must have at most"),
        ({"agents": [{"agent_name": AGENT, "metadata": 1}]}, "room_config.agents.metadata: must be a string"),
    ],
)
def test_of_a_rooms_configuration_only_the_agents_metadata_may_be_given(config: object, place: str):
    assert fault({"room_config": config}).startswith(place)


def test_without_an_agent_none_can_be_asked_for():
    for name in ("", AGENT):
        text = fault({"room_config": {"agents": [{"agent_name": name, "metadata": "x"}]}}, agent_name="")
        assert "the operator has not set livekit.agent_name" in text


def test_no_fault_has_a_value():
    secret = "s3cr3t" * 1000
    for field in ("room_name", "participant_metadata", "participant_attributes", "room_config"):
        assert "s3cr3t" not in fault({field: secret})
