"""Of the processes that one ASGI server starts, one serves."""

import multiprocessing
from multiprocessing.connection import Connection

import pytest

from voicetrio.cli.only_one import AnotherProcess, only_process


def serve(answers: Connection) -> None:
    """In a process of its own: whether it may serve, and then until it is told to end."""
    try:
        with only_process():
            answers.send("serves")
            answers.recv()
    except AnotherProcess as error:
        answers.send(str(error))


def start():
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,))
    process.start()
    return process, ours


@pytest.mark.slow
def test_the_second_process_is_refused_and_a_successor_is_not():
    first, to_first = start()
    assert to_first.recv() == "serves"
    second, to_second = start()
    refusal = to_second.recv()
    assert "with one process" in refusal
    assert "-w 1" in refusal
    second.join(10)
    first.kill()  # however it ends
    first.join(10)
    third, to_third = start()
    assert to_third.recv() == "serves"
    to_third.send("end")
    third.join(10)
    assert third.exitcode == 0


def test_servers_that_nobody_started_as_several_are_not_concerned():
    with only_process(), only_process():
        pass
