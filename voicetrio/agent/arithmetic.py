"""Two numbers and what to do with them: "what is two plus three", "12 / 5"."""

from collections.abc import Sequence

from voicetrio.agent.number_words import number_words, take_number

_OPENING = ("what", "what's", "is", "are", "how", "much", "calculate", "compute")
_CLOSING = ((), ("equals",), ("is",), ("make",), ("makes",))
_SIGNS = {"+": "plus", "-": "minus", "*": "times", "x": "times", "/": "over"}


def calculate(request: Sequence[str]) -> str:
    """The answer as a sentence; empty if this is no sum."""
    start = next((index for index, word in enumerate(request) if word not in _OPENING), len(request))
    left = take_number(request[start:])
    if left is None:
        return ""
    operation, words = _take_operation(left[1])
    right = take_number(words)
    if not operation or right is None or tuple(right[1]) not in _CLOSING:
        return ""
    return f"{_result(left[0], operation, right[0])}.".capitalize()


def _take_operation(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    match words:
        case ["divided", "by", *rest]:
            return "over", rest
        case ["multiplied", "by", *rest]:
            return "times", rest
        case [word, *rest]:
            name = _SIGNS.get(word, word)
            return (name if name in _SIGNS.values() else ""), rest
        case _:
            return "", words


def _result(left: int, operation: str, right: int) -> str:
    question = f"{number_words(left)} {operation} {number_words(right)} is"
    match operation:
        case "plus":
            return f"{question} {number_words(left + right)}"
        case "minus":
            return f"{question} {number_words(left - right)}"
        case "times":
            return f"{question} {number_words(left * right)}"
        case _ if right == 0:
            return "nothing can be divided by zero"
        case _:
            whole, rest = divmod(left, right)
            return f"{question} {number_words(whole)}" if rest == 0 else f"{question} about {left / right:.2f}"
