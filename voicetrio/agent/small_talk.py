"""What the embedded agent answers: rules by keywords, each good for trying out something of the server.

Long answers (counting, the story) are there to be interrupted; "what did you say" then tells what was heard of them.
The rules look at words only, without case and punctuation, as modest speech recognition gives neither.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from voicetrio.agent.arithmetic import calculate
from voicetrio.agent.number_words import number_words, take_number
from voicetrio.session.ports import Said

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|(?<![^\W\d_])[-+*/]")
"""A word or a sign. A hyphen after a letter, as in twenty-five, is neither."""
_COUNT_MAX = 100
"""A minute of speech: long enough to be interrupted."""

_POLITE = ("please", "can", "could", "would", "you", "now", "and", "okay", "ok")
"""Words before a request that do not change it."""

_HELP = (
    "I can count to a number, tell you a story, spell a word, repeat what you say, add and multiply, tell the time and "
    "the date, and tell you what you said or what I said. Interrupt me whenever you like."
)
_STORY = (
    "Once there was a lighthouse keeper who spoke to the sea every evening. The sea never answered, but it listened. "
    "One night a thick fog came in, and a small boat lost its way. The keeper called out, again and again, and stopped "
    "after every call to listen. At last, between two waves, a faint voice answered. So they took turns, the keeper and "
    "the boat, call and answer, until the boat touched the pier. Since that night the keeper says that speaking is the "
    "easy half of a conversation."
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)  # not from strftime, which asks the locale: the voice is English


def reply(text: str, history: Sequence[Said], now: datetime) -> str:
    """`history` is what was said before, oldest first; it may be empty."""
    words = [match.group().lower() for match in _WORD.finditer(text)]
    request = _without_courtesy(words)
    said = " ".join(request)
    return (
        _repeat(text, words)
        or _recall(said, history)
        or _count(request)
        or _spell(request)
        or calculate(request)
        or _clock(said, now)
        or _fixed(said, request)
        or _echo(text)
    )


def _without_courtesy(words: list[str]) -> list[str]:
    start = next((index for index, word in enumerate(words) if word not in _POLITE), len(words))
    return words[start:]


def _repeat(text: str, words: list[str]) -> str:
    """In the words of the message itself, with their case and punctuation."""
    start = len(words) - len(_without_courtesy(words))
    for request in (["repeat", "after", "me"], ["repeat"], ["say"]):
        end = start + len(request)
        if words[start:end] == request and len(words) > end:
            first = list(_WORD.finditer(text))[end]
            return text[first.start() :].strip()
    return ""


def _recall(said: str, history: Sequence[Said]) -> str:
    if "what did you say" in said or "what did you just say" in said:
        own = _last(history, "assistant")
        return f"I said: {_sentence(own)}" if own else "I have not said anything yet."
    if "what did i say" in said or "what did i just say" in said:
        yours = _last(history, "user")
        return f"You said: {_sentence(yours)}" if yours else "You have not said anything before."
    return ""


def _last(history: Sequence[Said], role: str) -> str:
    return next((line.text.strip() for line in reversed(history) if line.role == role and line.text.strip()), "")


def _count(request: list[str]) -> str:
    if request[:1] != ["count"]:
        return ""
    taken = take_number(request[request.index("to") + 1 :]) if "to" in request else None
    if taken is None or taken[0] < 1:
        return "Tell me what to count to, like: count to twenty."
    if taken[0] > _COUNT_MAX:
        return f"I count to {number_words(_COUNT_MAX)} at most."
    return ", ".join(number_words(number) for number in range(1, taken[0] + 1)).capitalize() + "."


def _spell(request: list[str]) -> str:
    if request[:1] != ["spell"]:
        return ""
    word = next((word for word in request[1:] if word not in ("the", "word")), "")
    return ", ".join(word.replace("'", "").upper()) + "." if word else "Tell me a word, like: spell cat."


def _clock(said: str, now: datetime) -> str:
    if any(phrase in said for phrase in ("what time", "what's the time", "the time", "time is it")):
        return f"It is {now:%H:%M}."
    if any(phrase in said for phrase in ("what date", "the date", "what day", "what's today", "what is today")):
        return f"Today is {_DAYS[now.weekday()]}, {_MONTHS[now.month - 1]} {now.day}, {now.year}."
    return ""


def _fixed(said: str, request: list[str]) -> str:
    if "story" in request:
        return _STORY
    if request == ["help"] or any(phrase in said for phrase in ("what can you do", "help me", "who are you")):
        return _HELP
    match request:
        case ["hello" | "hi" | "hey" | "greetings", *_] | ["good", "morning" | "afternoon" | "evening", *_]:
            return "Hello! Ask me what I can do."
        case ["thanks" | "thank", *_]:
            return "You are welcome."
        case ["goodbye" | "bye", *_] | ["good", "bye" | "night", *_]:
            return "Goodbye!"
        case _:
            return ""


def _echo(text: str) -> str:
    said = text.strip()
    return f"You said: {_sentence(said)}" if said else "I did not hear a word."


def _sentence(text: str) -> str:
    return text if text[-1] in ".!?" else text + "."
