"""What an encoder-decoder engine is told of the segment before: the end of its final, as the next one's prompt.

Such an engine goes on in the same words, spelling and style when it sees what came before. It counts tokens, and only
its own tokenizer knows them. But a word is one token or more, and none belongs to two words, so the last 224 tokens lie
within the last 224 words: these are sent, and the engine keeps the last 224 tokens of them.
"""

PROMPT_TOKENS = 224
"""Half of Whisper's context of 448 tokens: the other half is for what it says."""

PROMPT_CHARACTERS_MAX = 8192
"""Far above 224 words of any language, at 36 characters each. A worker refuses more: a prompt is no place for megabytes."""


def next_prompt(final: str) -> str:
    """The prompt for the segment after the one with this final text; empty after an empty one."""
    tail = " ".join(final.split()[-PROMPT_TOKENS:])
    if len(tail) <= PROMPT_CHARACTERS_MAX:
        return tail
    end = tail[-PROMPT_CHARACTERS_MAX:]
    # Without the word that was cut, unless there is no other.
    return end.partition(" ")[2] or end
