"""Where the sockets of local workers are, and what is said where they can be nowhere."""

import stat
from pathlib import Path

import pytest

from voicetrio.workers import private_sockets as module
from voicetrio.workers.private_sockets import SocketFolderError, private_sockets


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch, tmp_path):
    """Only the folders that a test names."""
    for name in ("TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "_USUAL", (str(tmp_path / "no-tmp"),))
    monkeypatch.setattr(module, "_SHARED_MEMORY", str(tmp_path / "no-shm"))


def test_a_folder_of_our_own_that_goes_with_us(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with private_sockets(2) as addresses:
        folder = Path(addresses[0].removeprefix("unix:")).parent
        assert folder.parent == tmp_path
        assert [address.removeprefix(f"unix:{folder}/") for address in addresses] == ["worker.sock", "worker-2.sock"]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_without_local_workers_nothing_is_made():
    with private_sockets(0) as addresses:
        assert addresses == []


@pytest.mark.parametrize("variable", ["TMPDIR", "TEMP", "XDG_RUNTIME_DIR"])
def test_any_folder_that_can_be_written_to_will_do(monkeypatch, tmp_path, variable):
    if variable != "TMPDIR":
        monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setenv(variable, str(tmp_path))
    with private_sockets(1) as (address,):
        assert address.startswith(f"unix:{tmp_path}/voicetrio-")


def test_without_any_folder_it_is_said_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(SocketFolderError, match="Set TMPDIR") as caught, private_sockets(1):
        pass
    for name in ("missing (ENOENT)", "no-tmp (ENOENT)", "no-shm (ENOENT)"):
        assert name in str(caught.value)
