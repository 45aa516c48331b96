"""Takes out what a model thinks aloud: `<think>...</think>`, in a text that comes in pieces, cut anywhere.

A thought that is spoken is worse than a sentence that is missing, so it is taken out wherever it stands, and one that does
not end takes the rest with it. White space after a thought goes with it where the text before needs none.
"""

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkingFilter:
    """Feed it with the pieces; it gives what is not a thought as soon as that is certain, and the last at `end`."""

    def __init__(self) -> None:
        self.thought = False
        """Whether there was any thought."""
        self._thinking = False
        self._held = ""
        """What may become a tag."""
        self._skips_space = False
        self._ends_with_space = True
        """Of what was given so far; nothing needs no space after it either."""

    def feed(self, piece: str) -> str:
        text = self._held + piece
        self._held = ""
        given: list[str] = []
        while text:
            if self._thinking:
                thought, tag, text = text.partition(_CLOSE)
                self._thinking = not tag
                if not tag:
                    self._held = _beginning_of(_CLOSE, thought)
                continue
            before, tag, after = _cut_at_tag(text)
            if not tag:
                # A close without an open: the server has put the open one into the prompt. The tag is not to be said.
                self._held = _longest(_beginning_of(_OPEN, before), _beginning_of(_CLOSE, before))
                before = before.removesuffix(self._held)
            given.append(self._without_space(before))
            if tag:
                self.thought = True
                self._thinking = tag == _OPEN
                self._skips_space = self._ends_with_space
            text = after
        return "".join(given)

    def end(self) -> str:
        rest, self._held = self._held, ""
        return "" if self._thinking else self._without_space(rest)

    def _without_space(self, text: str) -> str:
        if self._skips_space:
            text = text.lstrip()
        if text:
            self._skips_space = False
            self._ends_with_space = text[-1].isspace()
        return text


def _cut_at_tag(text: str) -> tuple[str, str, str]:
    found = [(at, tag) for tag in (_OPEN, _CLOSE) if (at := text.find(tag)) >= 0]
    if not found:
        return text, "", ""
    at, tag = min(found)
    return text[:at], tag, text[at + len(tag) :]


def _beginning_of(tag: str, text: str) -> str:
    """The longest end of the text that is a beginning of the tag."""
    return next((tag[:size] for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), "")


def _longest(*texts: str) -> str:
    return max(texts, key=len)
