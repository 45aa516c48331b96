"""How the tests of `transcribe` call it, and the plainest server for it."""

import io

from voicetrio.cli.transcribe import TranscribeOptions, transcribe

from .fake_server import Peer

FAST = TranscribeOptions(fast=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def run(server, files, options=FAST, out=None, err=None):
    out, err = out or io.StringIO(), err or io.StringIO()
    code = await transcribe(files, server_url=server.url, options=options, out=out, err=err)
    assert "the-token" not in out.getvalue() + err.getvalue()  # of FakeSession
    return code, out.getvalue(), err.getvalue()


def hears(*texts: str):
    """A server that hears these texts, a second each, in whatever it is sent."""

    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("session.close")
        for i, text in enumerate(texts):
            words = [
                {"word": word, "start": i + n / 10, "end": i + (n + 1) / 10, "confidence": 0.5}
                for n, word in enumerate(text.split())
            ]
            await peer.send_final(text, i * 1000, i * 1000 + 900, words=words, confidence=0.75)
        await peer.say_closed()

    return script
