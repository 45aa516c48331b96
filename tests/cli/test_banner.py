"""What is said once the server serves is true, wherever it listens."""

import pytest

from voicetrio.cli.banner import banner


@pytest.mark.parametrize(
    ("host", "port", "page", "option"),
    [
        ("127.0.0.1", 8000, "http://127.0.0.1:8000/", ""),
        ("127.0.0.1", 9000, "http://127.0.0.1:9000/", " --server ws://127.0.0.1:9000"),
        ("0.0.0.0", 8000, "http://127.0.0.1:8000/", ""),
        ("::", 8000, "http://[::1]:8000/", " --server ws://[::1]:8000"),
        ("::1", 8000, "http://[::1]:8000/", " --server ws://[::1]:8000"),
        ("192.0.2.7", 8000, "http://192.0.2.7:8000/", " --server ws://192.0.2.7:8000"),
    ],
)
def test_the_page_is_where_a_browser_of_this_machine_finds_it(host, port, page, option):
    lines = banner(host, port).splitlines()
    assert f"open {page} in a browser" in lines[1]
    assert [line.partition(" FILE")[2] for line in lines if "transcribe" in line] == [option]
    assert lines[0].endswith(f"is listening on http://{f'[{host}]' if ':' in host else host}:{port}")


@pytest.mark.parametrize(
    ("host", "name"),
    [("127.0.0.1", None), ("::1", None), ("0.0.0.0", "NAME-OF-THIS-MACHINE"), ("192.0.2.7", "192.0.2.7")],
)
def test_other_machines_need_https_for_the_microphone_and_are_told_so(host, name):
    text = banner(host, 8000)
    assert ("https" in text) is (name is not None)
    assert name is None or f"other machines reach http://{name}:8000/" in text
