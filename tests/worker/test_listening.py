import os
import socket
from pathlib import Path

import pytest

from voicetrio.worker.errors import SetupError
from voicetrio.worker.listening import bound_socket


def test_port_zero_is_any_free_port_and_it_is_told():
    with bound_socket("127.0.0.1:0") as (sock, address):
        assert address == f"127.0.0.1:{sock.getsockname()[1]}"


def test_a_taken_port_is_said_to_be_taken():
    with (
        bound_socket("127.0.0.1:0") as (_, address),
        pytest.raises(SetupError, match="in use"),
        bound_socket(address),
    ):
        pass


@pytest.mark.parametrize("listen", ["", "50051", ":50051", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:70000", "unix"])
def test_an_address_has_two_forms_and_no_other(listen):
    with pytest.raises(SetupError, match=r"worker\.listen"), bound_socket(listen):
        pass


def test_a_socket_file_goes_with_its_worker(tmp_path: Path):
    path = tmp_path / "w.sock"
    with bound_socket(f"unix:{path}"):
        assert path.is_socket()
    assert not path.exists()


def test_a_dead_workers_socket_file_is_replaced(tmp_path: Path):
    path = tmp_path / "w.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with bound_socket(f"unix:{path}"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_living_workers_socket_is_left_alone(tmp_path: Path):
    path = tmp_path / "w.sock"
    with bound_socket(f"unix:{path}"):
        with pytest.raises(SetupError, match="another process"), bound_socket(f"unix:{path}"):
            pass
        assert path.is_socket()


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary")
    with pytest.raises(SetupError, match="not a socket"), bound_socket(f"unix:{path}"):
        pass
    assert path.read_text() == "dear diary"


@pytest.mark.parametrize("path", ["/nonexistent/w.sock", "/proc/w.sock", "/tmp/" + "x" * 200])
def test_a_path_that_cannot_be_used_is_named(path):
    with pytest.raises(SetupError, match="cannot listen"), bound_socket(f"unix:{path}"):
        pass


def test_a_successors_socket_file_is_not_taken_away(tmp_path: Path):
    path = tmp_path / "w.sock"
    with bound_socket(f"unix:{path}"):
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
    assert path.is_socket()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux shows open folders as paths")
def test_a_path_may_be_longer_than_a_sockets_address(tmp_path: Path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = folder / "w.sock"
    with bound_socket(f"unix:{path}") as (_, address):
        assert address == f"unix:{path}"
        assert path.is_socket()
        with pytest.raises(SetupError, match="another process"), bound_socket(f"unix:{path}"):
            pass
    assert not path.exists()
