"""Where keys are in a TOML document, whatever is in its strings."""

import tomllib

from voicetrio.settings.toml_lines import key_lines

DOCUMENT = '''# [server]
server.port = 1   # not = this

[session] # a comment with ] and "
language = "a # [b] \\" = c"
text = """
[workers]
local = false
"""
"quoted" = \'\'\'
x = 1\'\'\'
[workers]
addresses = [
  "a:1",  # = ]
  "b:2",
]
local = true
[stt]
options = { beam_size = 5, other = "}" }
'single' = 1.5
[a.b]
c = 2026-01-01T00:00:00Z
[[d]]
e = []'''


def test_each_key_has_its_line():
    tomllib.loads(DOCUMENT)
    assert key_lines(DOCUMENT) == {
        ("server", "port"): 2,
        ("session",): 4,
        ("session", "language"): 5,
        ("session", "text"): 6,
        ("session", "quoted"): 10,
        ("workers",): 12,
        ("workers", "addresses"): 13,
        ("workers", "local"): 17,
        ("stt",): 18,
        ("stt", "options"): 19,
        ("stt", "single"): 20,
        ("a", "b"): 21,
        ("a", "b", "c"): 22,
        ("d",): 23,
        ("d", "e"): 24,
    }


def test_line_ends_of_windows_and_an_empty_document():
    assert key_lines(DOCUMENT.replace("\n", "\r\n")) == key_lines(DOCUMENT)
    assert key_lines("") == key_lines("# nothing") == {}
