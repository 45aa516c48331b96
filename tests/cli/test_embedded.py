from voicetrio.cli.embedded import _for_one_call
from voicetrio.settings import Settings


def test_a_server_for_one_call_takes_files_and_is_otherwise_as_configured():
    configured = Settings()
    own = _for_one_call(configured)
    assert (own.server.host, own.server.port, own.log.level) == ("127.0.0.1", 0, "warning")
    assert own.session.max_rate == 8.0
    assert own.session.max_backlog == configured.session.max_backlog
    assert own.stt == configured.stt
