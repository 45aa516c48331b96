import pytest

from voicetrio.cli.ticket import ResumeTicket, ServerLimits

CREATED = {
    "type": "session.created",
    "resume_token": "a/b&c",
    "limits": {"max_rate": 1.2, "max_backlog_ms": 10_000, "resume_grace_ms": 15_000},
}


def test_limits_are_read_from_the_message():
    assert ServerLimits.from_message(CREATED) == ServerLimits(1.2, 10.0, 15.0)


@pytest.mark.parametrize("created", [{}, {"limits": None}, {"limits": [1]}])
def test_an_older_server_tells_no_limits(created):
    assert ServerLimits.from_message(created) is None


@pytest.mark.parametrize("max_rate", [None, 0, -1, "fast", True])
def test_a_rate_that_is_none_is_no_limit(max_rate):
    limits = ServerLimits.from_message({"limits": {"max_rate": max_rate}})
    assert limits == ServerLimits(None, 0.0, 0.0)


def test_a_new_ticket_asks_for_nothing():
    assert ResumeTicket().query == ""
    assert not ResumeTicket().valid


def test_a_ticket_counts_text_messages_but_for_the_first_of_each_connection():
    ticket = ResumeTicket()
    for kind in ("session.created", "session.configured", "transcript.final", "session.created", "error"):
        ticket.note({**CREATED, "type": kind})
    assert ticket.valid
    assert ticket.query == "resume=a%2Fb%26c&received=3"


@pytest.mark.parametrize(
    "change",
    [{"resume_token": ""}, {"resume_token": None}, {"limits": None}, {"limits": {"resume_grace_ms": 0}}],
)
def test_without_a_token_or_a_grace_there_is_nothing_to_come_back_to(change):
    ticket = ResumeTicket()
    ticket.note({**CREATED, **change})
    assert not ticket.valid


def test_the_token_is_not_shown():
    ticket = ResumeTicket()
    ticket.note(CREATED)
    assert "a/b" not in repr(ticket)
    assert "a/b" not in str(ticket)


def test_it_says_how_much_of_the_speech_has_come():
    ticket = ResumeTicket()
    ticket.note({"type": "session.created", "resume_token": "t"})
    ticket.note({"type": "tts.speaking_start", "request_id": "a b", "encoding": "pcmu"})
    ticket.note_audio(bytes(160))
    ticket.note({"type": "session.pong"})
    assert ticket.query == "resume=t&received=1&utterance=a+b&samples=160"
    ticket.note({"type": "tts.speaking_resumed", "request_id": "a b", "encoding": "pcmu", "start_sample": 100})
    ticket.note_audio(bytes(10))
    assert (ticket.received, ticket.samples) == (2, 110)
    ticket.note({"type": "tts.speaking_start", "request_id": "b"})
    ticket.note_audio(bytes(160))
    assert (ticket.utterance, ticket.samples) == ("b", 80)
