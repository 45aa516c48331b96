"""What standard output makes of letters that it does not have."""

import io
import json

import pytest

from voicetrio.cli.output import accept_any_text


def printed(text: str, encoding: str) -> bytes:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    accept_any_text(stream)
    stream.write(text)
    stream.flush()
    return raw.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("text", ["plain", "Café", "日本語", "🎉", "z\N{COMBINING ACUTE ACCENT}"])
def test_json_stays_json_in_every_encoding(encoding, text):
    assert json.loads(printed(json.dumps(text, ensure_ascii=False), encoding).decode(encoding)) == text


def test_a_name_that_is_not_utf8_is_printed_as_its_bytes():
    name = b"caf\xe9.wav"
    assert printed(name.decode("utf-8", "surrogateescape"), "utf-8") == name


def test_what_is_no_text_stream_is_left_alone():
    accept_any_text(io.StringIO())
