"""Whether the last words of an utterance leave it open, for a server without a model that knows better. Pure.

English has words that hardly ever end a sentence: "the", "my", "and", "because", "it's". Somebody who pauses after one
is thinking. A wrong "incomplete" costs the user seconds of waiting, a wrong "complete" one interruption, so a word that
may well be the last ("turn it on", "what for", "I know what it is", "I'd love to") counts as open only together with
words that rule this out. Transcripts come in lower case and without punctuation as well as with both, and punctuation,
where there is some, decides: a recogniser that writes a full stop has heard one.

The sets are made by hand; the probabilities order the cases and are not measured.
"""

import re

MARKED = 1.0
"""It ends with a full stop, a question or an exclamation mark, or it is not in English: we know of no reason to wait."""
LIKELY = 0.95
"""The last words may end a sentence. Not more: people also pause after "I was in Rome"."""
DANGLING = 0.2
"""The last words may end a sentence, but seldom do after those before them; or it ends with a comma or a dash."""
OPEN = 0.1
"""Nobody ends a sentence with this word."""

TAIL_MAX = 400
"""Characters looked at: some 80 words, more than a sentence has."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HESITATION = re.compile(r"u+h*m+|u+h+|e+r+m*|h+m+")
_AGREEMENT = re.compile(r"(?:m+|u+h+|a+h+)[ -]?(?:h+m+|h+u+h+|u+h+)")
""" "mm-hmm", "uh huh", "uh-uh": answers."""

_NEVER_LAST = _words(
    """
    the an my your our their its every
    and nor although unless whereas whether than as until till if or because cuz but
    during despite per via among amongst onto towards regarding concerning including
    i'm you're we're they're he's she's it's that's there's here's what's where's who's how's
    i've you've we've they've i'll you'll we'll they'll he'll she'll it'll that'll i'd you'd we'd they'd he'd she'd
    """
)
_UNLESS_AFTER = {
    "a": _words("option plan vitamin grade type class part section level letter an hepatitis team group gate exhibit"),
    "an": _words("a"),
    "because": _words("just simply"),
    "but": _words("nothing anything everything all if last"),
    "or": _words("either"),
    "if": _words("as what"),
    "er": _words("the an our"),  # where an emergency is taken
    "of": _words("kind sort know knew heard hear think thought thinking dream dreamed care made full first"),
    "about": _words("just out and how's come bring worry worried"),
    "with": _words("deal dealing come coming go going play playing agree live cope start begin work working put done"),
    "into": _words("run"),
    "from": _words("come comes came coming"),
    "at": _words("good bad great best look looked laughed yelled"),
    "to": _words("love glad happy looking"),
}
"""A word that may end a sentence after these."""
_STRANDED = _words("of to from at with about into")
"""Prepositions that end a question or a relative clause: "where are you from", "nobody to play with"."""
_PULLS = _words(
    """
    what who whom which where how when why whose that whatever whoever wherever whichever however whenever
    something someone somebody somewhere anything anyone anybody anywhere nothing no-one nobody nowhere everything
    everyone everybody thing things stuff one ones people place places all
    """
)
"""Words whose preposition may come at the end."""
_NOT = _words("not never don't doesn't didn't won't wouldn't can't couldn't haven't hasn't isn't aren't wasn't weren't")

_LINKS = _words("is are was were")
_TOPICS = _words(
    """
    name names address number problem problems question questions issue issues email e-mail password code thing point
    idea answer answers reason reasons order birthday birthdate favorite favourite plan goal title truth fact pin id
    zip postcode
    """
)
"""What people announce: "my name is ..."; "my brother is" may answer "who is coming?"."""
_SUBJECTS = _words("i he she we they")
_BEFORE_SUBJECTS = _words("but because if although unless while whereas cause cuz")
_BEFORE_WHILE = _words("a the this that short little long good great every some worth quite")

_BEGINNINGS = frozenset(
    f"{one} {two}"
    for ones, twos in (
        ("what where how when why", "is are was were do does did can could should would will"),
        ("can could would will", "you i we"),
        ("may should shall", "i we"),
        ("i", "want need"),
        ("and so", "i you he she we they then"),
        ("how what", "about"),
    )
    for one in ones.split()
    for two in twos.split()
) | {"i would like", "i'd like", "let me", "so", "well", "and so", "such as", "because of", "i was wondering"}
"""Incomplete when nothing comes before them: "could you", but "as fast as could you" says nobody either."""


def end_of_turn_probability(text: str, language: str) -> float:
    """From 0 to 1. `language` is a tag as "en-US", or "" where it is not known, which counts as English."""
    if language and not language.lower().startswith("en"):
        return MARKED
    text = text[-TAIL_MAX:].replace("\u2019", "'").casefold().rstrip().rstrip("\"'\u201d)]").rstrip()
    if text.endswith(("...", "\u2026", "..", ",", ";", ":", "-", "\u2013", "\u2014")):
        return DANGLING
    if not text or text[-1] in ".?!":
        return MARKED
    # Only the last sentence: what a question word of an earlier one asks for is answered.
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", re.split(r"[.?!]\s", text)[-1])
    return _probability(words) if words else LIKELY


def _probability(words: list[str]) -> float:
    last = words[-1]
    before = words[-2] if len(words) > 1 else ""
    if _AGREEMENT.fullmatch(f"{before} {last}") or _AGREEMENT.fullmatch(last):
        return LIKELY
    if before in _UNLESS_AFTER.get(last, ()):
        return LIKELY
    if last in _NEVER_LAST or last == "a" or _HESITATION.fullmatch(last):
        return OPEN
    return DANGLING if " ".join(words) in _BEGINNINGS or _dangles(words, before, last) else LIKELY


def _dangles(words: list[str], before: str, last: str) -> bool:
    """Whether the words before rule out that the last one ends the sentence."""
    earlier = words[:-1]
    if last == "to" and (
        not _NOT.isdisjoint(earlier) or "if" in earlier[1:] or "than" in earlier or "like" in earlier[:-1]
    ):
        return False  # "I don't want to", "you can if you want to", "as it used to"
    if last in _STRANDED:
        return _PULLS.isdisjoint(earlier)
    if last in _LINKS:
        return before in _TOPICS and _PULLS.isdisjoint(earlier)
    if last == "while":
        return before not in _BEFORE_WHILE
    return last in _SUBJECTS and before in _BEFORE_SUBJECTS
