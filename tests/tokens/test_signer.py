"""What tokens allow, as LiveKit's own verifier reads them; and tokens that are none."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from livekit import api

from voicetrio.core.token_request import TOKEN_BYTES_MAX, BadTokenRequest, TokenRequest
from voicetrio.tokens import make_signer

from .asking import KEY, SECRET, config

ROOM = "room-0123456789ab"
OTHER_SECRET = "another-secret-of-somebody-else-0123456789"


PLAIN = TokenRequest()


def sign(request: TokenRequest = PLAIN, **changes: Any) -> str:
    return make_signer(config(**changes)).sign(ROOM, "ann", request)


def admits(token: str, room: str) -> bool:
    """Whether a LiveKit server would let its bearer into this room: the token must be good, and for this room."""
    try:
        video = api.TokenVerifier(KEY, SECRET).verify(token).video
    except jwt.PyJWTError:
        return False
    return bool(video.room_join) and video.room == room


def part(token: str, index: int) -> dict[str, Any]:
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_it_allows_to_publish_and_to_subscribe_in_one_room_for_a_quarter_of_an_hour():
    before = int(time.time())
    token = sign()
    assert part(token, 0) == {"alg": "HS256", "typ": "JWT"}
    claims = part(token, 1)
    assert claims["video"] == {
        "roomJoin": True,
        "room": ROOM,
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": True,
    }
    assert claims["exp"] - claims["nbf"] in (900, 901)
    assert before <= claims["nbf"] <= time.time()
    assert (claims["iss"], claims["sub"]) == (KEY, "ann")
    assert set(claims) == {"iss", "sub", "nbf", "exp", "video"}, "no other right, of which there are many"


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (TokenRequest(metadata="\x01" * 4096), "participant_metadata"),
        (
            TokenRequest(metadata="好" * 900, attributes={"a": "好" * 1200}),
            "participant_attributes, participant_metadata",
        ),
        (
            TokenRequest(agent_metadata='"' * 4096, metadata="\n" * 4000),
            "room_config.agents.metadata, participant_metadata",
        ),
    ],
)
def test_a_token_fits_into_a_url_or_the_fields_that_are_too_large_are_named(request_: TokenRequest, fields: str):
    with pytest.raises(BadTokenRequest) as caught:
        sign(request_, agent_name="helper")
    assert str(caught.value).startswith(f"{fields}: the token would have ")


def test_each_field_alone_may_be_as_long_as_it_is_said():
    for request_ in (
        TokenRequest(metadata="好" * (4096 // 3)),
        TokenRequest(attributes={"a": "x" * 4095}, metadata="x" * 4096),
        TokenRequest(name="好" * 85, metadata='{"a": 1}' * 512),
    ):
        assert len(sign(request_)) <= TOKEN_BYTES_MAX


def test_it_says_who_somebody_is():
    claims = part(sign(TokenRequest(name="Анна", metadata="m", attributes={"a": "b"})), 1)
    assert (claims["name"], claims["metadata"], claims["attributes"]) == ("Анна", "m", {"a": "b"})


def test_an_agent_is_sent_to_the_room_when_there_is_one():
    assert "roomConfig" not in part(sign(TokenRequest(agent_metadata="x")), 1)
    config = part(sign(TokenRequest(agent_metadata="x"), agent_name="voicetrio"), 1)["roomConfig"]
    assert config == {"agents": [{"agentName": "voicetrio", "metadata": "x"}]}


@pytest.mark.parametrize("ttl", [60, 86_400])
def test_it_expires_when_it_shall(ttl: int):
    claims = part(sign(ttl=float(ttl)), 1)
    assert claims["exp"] - claims["nbf"] in (ttl, ttl + 1)


def tampered(change: Callable[[dict[str, Any]], None]) -> str:
    """With other claims, under the signature of the true ones."""
    head, _, signature = (token := sign()).split(".")
    claims = part(token, 1)
    change(claims)
    return f"{head}.{encoded(claims)}.{signature}"


def resigned(secret: str | None = SECRET, algorithm: str | None = "HS256", **changes: Any) -> str:
    claims = {**part(sign(), 1), **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm)


def unsigned(alg: str) -> str:
    return f"{encoded({'alg': alg, 'typ': 'JWT'})}.{encoded(part(sign(), 1))}."


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "another room's": lambda: make_signer(config()).sign("room-ffffffffffff", "ann", TokenRequest()),
    "another room under the same signature": lambda: tampered(lambda claims: claims["video"].update(room=ROOM + "x")),
    "another identity under the same signature": lambda: tampered(lambda claims: claims.update(sub="eve")),
    "more time under the same signature": lambda: tampered(lambda claims: claims.update(exp=2**33)),
    "signed with another secret": lambda: sign(api_secret=OTHER_SECRET),
    "signed with the key's name": lambda: resigned(secret=KEY.ljust(32, "\0")),
    "of another key": lambda: sign(api_key="otherkey"),
    "expired": lambda: resigned(exp=int(time.time()) - 120, nbf=int(time.time()) - 1020),
    "not yet valid": lambda: resigned(nbf=int(time.time()) + 600, exp=int(time.time()) + 1500),
    "without an end": lambda: resigned(exp=None),
    "without a right to join": lambda: resigned(video={"room": ROOM, "canPublish": True}),
    "without rights": lambda: resigned(video=None),
    "unsigned": lambda: unsigned("none"),
    "unsigned, written otherwise": lambda: unsigned("nOnE"),
    "said to be signed": lambda: unsigned("HS256"),
    "of another algorithm": lambda: resigned(secret=SECRET * 2, algorithm="HS512"),
    "without its signature": lambda: sign().rpartition(".")[0] + ".",
    "cut off": lambda: sign()[:-1],
    "empty": lambda: "",
}


def test_a_token_is_good_for_its_room_and_no_other():
    assert admits(sign(), ROOM)
    for room in ("", "room-ffffffffffff", ROOM[:-1], ROOM + " ", ROOM.upper()):
        assert not admits(sign(), room)


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_token_that_is_none_is_refused(name: str):
    assert not admits(BAD_TOKENS[name](), ROOM)


def test_neither_a_configuration_nor_a_token_shows_its_secret():
    assert SECRET not in repr(config())
    assert SECRET not in sign()


def test_a_server_without_keys_imports_neither_what_signs_nor_its_asyncio_client():
    script = (
        "import sys, voicetrio.asgi, voicetrio.cli.token, voicetrio.tokens;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & {'livekit', 'aiohttp', 'jwt'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\n"
