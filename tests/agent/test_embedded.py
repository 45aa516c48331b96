"""The agent that comes with the server: the same answer every time, in the shape of any other agent's."""

import re
from datetime import UTC, datetime

import pytest
import trio

from tests.agent.asking import HELLO, ask, payloads, said
from voicetrio.agent import AgentConfig, open_agent
from voicetrio.agent.embedded import EmbeddedAgent
from voicetrio.agent.number_words import number_words, take_number
from voicetrio.agent.small_talk import reply
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentRequest, Said

NOW = datetime(2026, 3, 7, 14, 5, tzinfo=UTC)


def answer(text: str, *history: Said) -> str:
    return reply(text, history, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "Hello! Ask me what I can do."),
        ("Good morning, computer!", "Hello! Ask me what I can do."),
        ("count to five", "One, two, three, four, five."),
        ("Please count to 3.", "One, two, three."),
        ("could you count from one to two", "One, two."),
        ("count to one hundred and one", "I count to one hundred at most."),
        ("count to infinity", "Tell me what to count to, like: count to twenty."),
        ("count to zero", "Tell me what to count to, like: count to twenty."),
        ("count", "Tell me what to count to, like: count to twenty."),
        ("spell cat", "C, A, T."),
        ("can you spell the word don't", "D, O, N, T."),
        ("spell", "Tell me a word, like: spell cat."),
        ("say Hello, World!", "Hello, World!"),
        ("repeat after me the sea never answered", "the sea never answered"),
        ("please repeat one two", "one two"),
        ("say count to ten", "count to ten"),
        ("what is two plus three", "Two plus three is five."),
        ("What's 12 / 5?", "Twelve over five is about 2.40."),
        ("how much is twenty-five minus thirty", "Twenty five minus thirty is minus five."),
        ("2+2", "Two plus two is four."),
        ("nine times nine", "Nine times nine is eighty one."),
        ("what is two hundred and five multiplied by 2", "205 times two is 410."),
        ("ten divided by zero", "Nothing can be divided by zero."),
        ("what time is it", "It is 14:05."),
        ("tell me the date", "Today is Saturday, March 7, 2026."),
        ("what day is it today", "Today is Saturday, March 7, 2026."),
        ("thank you", "You are welcome."),
        ("goodbye", "Goodbye!"),
        ("the sky is blue", "You said: the sky is blue."),
        ("Really?", "You said: Really?"),
        ("please", "You said: please."),
        ("  ", "I did not hear a word."),
        ("...", "You said: ..."),
        ("two plus", "You said: two plus."),
        ("once upon a time", "You said: once upon a time."),
        ("Привет", "You said: Привет."),
    ],
)
def test_rules_answer_by_keywords(text, expected):
    assert answer(text) == expected


def test_long_answers_can_be_interrupted():
    assert len(re.findall(r"\w+[.!?]", answer("tell me a story"))) >= 5
    assert answer("count to one hundred").endswith("ninety eight, ninety nine, one hundred.")
    assert "story" in answer("what can you do")
    assert answer("help") == answer("What can you do?")


def test_what_was_said_is_known_from_the_history_only():
    history = (Said("user", "count to ten"), Said("assistant", "One, two"))
    assert answer("what did you say", *history) == "I said: One, two."
    assert answer("What did you just say?", *history) == "I said: One, two."
    assert answer("what did i say", *history) == "You said: count to ten."
    assert answer("what did you say") == "I have not said anything yet."
    assert answer("what did I say") == "You have not said anything before."
    assert answer("what did you say", Said("assistant", " ")) == "I have not said anything yet."


def test_every_number_is_read_as_it_is_said():
    for number in range(101):
        assert take_number([*number_words(number).split(), "x"]) == (number, ["x"])
        assert take_number([str(number)]) == (number, [])
    assert take_number(["a", "hundred", "and", "one"]) == (101, [])
    assert take_number(["nine", "hundred", "ninety", "nine"]) == (999, [])
    assert take_number(["twenty", "twenty"]) == (20, ["twenty"])
    assert take_number(["9" * 10]) is None
    assert take_number(["²"]) is None
    assert take_number([]) is None


async def test_a_new_dialog_gets_a_name_and_its_answer_comes_in_tokens():
    agent = EmbeddedAgent(lambda: NOW)
    first, *rest = await ask(agent, AgentRequest(None, {"content": "what time is it"}))
    assert re.fullmatch(r'\{"type":"session_info","session_id":"dialog-[0-9a-f]{12}"\}', first.payload)
    assert first.dialog_id is not None
    assert first.dialog_id in first.payload
    assert payloads(rest) == [
        {"type": "assistant_message", "token": "It", "is_final": False},
        {"type": "assistant_message", "token": " is", "is_final": False},
        {"type": "assistant_message", "token": " 14:05.", "is_final": False},
        {"type": "assistant_message", "content": "It is 14:05.", "is_final": True},
    ]
    assert said(rest) == "It is 14:05."


async def test_names_differ_and_a_dialog_that_has_one_keeps_it():
    async with open_agent(AgentConfig()) as agent:
        assert (agent.kind, agent.keeps_dialogs) == ("embedded", False)
        names = {(await ask(agent))[0].dialog_id for _ in range(20)}
        events = await ask(agent, AgentRequest("mine", HELLO.message))
    assert len(names) == 20
    assert not any(event.dialog_id for event in events)


async def test_the_clock_is_the_local_one_unless_it_is_given():
    assert re.fullmatch(
        r"It is \d\d:\d\d\.", said(await ask(EmbeddedAgent(), AgentRequest("a", {"content": "what time"})))
    )


@pytest.mark.parametrize("message", [{}, {"content": None}, {"content": ["a"]}])
async def test_a_message_without_text_is_refused(message):
    with pytest.raises(AgentError) as caught:
        await ask(EmbeddedAgent(), AgentRequest(None, message))
    assert caught.value.code == "agent_bad_message"


async def test_half_a_character_is_not_repeated():
    assert said(await ask(EmbeddedAgent(), AgentRequest("a", {"content": "say a\ud83db"}))) == "ab"


async def test_an_interruption_has_its_chance_after_every_word():
    with trio.CancelScope() as scope:
        async with EmbeddedAgent().open_turn(AgentRequest("a", {"content": "tell me a story"})) as turn:
            assert await turn.receive() is not None
            scope.cancel()
            await turn.receive()
            pytest.fail("a word after the cancel")
