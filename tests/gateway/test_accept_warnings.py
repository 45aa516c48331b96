"""Too many open files: a line now and then, and service again as soon as there is room; trio's own accept loop."""

import errno

import trio
import trio.testing

from tests.fakes.telemetry import FakeTelemetry
from voicetrio.gateway.accept_warnings import INTERVAL, accept_warnings


class FullListener(trio.abc.Listener[trio.StapledStream]):
    """Has no descriptor left for some seconds, and then one."""

    def __init__(self, full_for: float) -> None:
        self._free_at = trio.current_time() + full_for
        self._accepted = False

    async def accept(self) -> trio.StapledStream:
        await trio.lowlevel.checkpoint()
        if trio.current_time() < self._free_at:
            raise OSError(errno.EMFILE, "Too many open files")
        if self._accepted:
            await trio.sleep_forever()
        self._accepted = True
        return trio.testing.memory_stream_pair()[0]

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_too_many_open_files_are_a_line_every_few_seconds(autojump_clock, capsys, caplog):
    telemetry = FakeTelemetry()
    served = trio.Event()

    async def serve(stream: trio.StapledStream) -> None:  # noqa: ASYNC124 - trio's handlers are async
        served.set()

    with accept_warnings(telemetry):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, [FullListener(2.5 * INTERVAL)])
            await served.wait()
            nursery.cancel_scope.cancel()
    told = [line for line in capsys.readouterr().out.splitlines() if "no_connection_accepted" in line]
    assert len(told) == 3
    assert all("EMFILE" in line and "ulimit" in line for line in told)
    assert telemetry.counts["accept_failed"] >= 100
    assert caplog.records == [], "no traceback of trio's"
