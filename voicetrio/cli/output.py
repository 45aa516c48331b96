"""Standard output that takes any text: whatever is said and whatever a file is called, printing it does not fail."""

import codecs
import io

_HANDLER = "voicetrio.numbers"


def accept_any_text(stream: object) -> None:
    """Have a text stream such as `sys.stdout` print what its encoding has no letters for.

    In UTF-8 that is a file name in another encoding (PEP 383), which is printed as the bytes that it is, as `ls` does. In
    other encodings it is a number, as in JSON, which stays JSON. Python's own choice, in most places, is an exception in
    the middle of a transcript.
    """
    if isinstance(stream, io.TextIOWrapper):
        is_utf8 = codecs.lookup(stream.encoding).name == "utf-8"
        stream.reconfigure(errors="surrogateescape" if is_utf8 else _HANDLER)


def _as_numbers(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(f"\\u{int.from_bytes(pair):04x}" for pair in pairs), error.end


codecs.register_error(_HANDLER, _as_numbers)
