"""scripts/install.sh, by which make keeps its virtual environments, with Pythons that only say which they are."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "install.sh"

PYTHON = """#!/bin/sh
version={version}
case "$*" in
    *version_info*) echo $version ;;
    *_base_executable*) echo "$FAKES/python$version" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$FAKES/python$version" "$3/bin/python" && echo "$version" >>"$FAKES/made" ;;
    "-m pip --version") ;;
    "-m pip install "*)
        echo "Collecting trio>=1 (from voicetrio)"
        echo "  Downloading trio"
        echo "$*" >>"$FAKES/installed"
        if [ -e "$FAKES/kill" ]; then rm "$FAKES/kill"; kill -9 "$(ps -o ppid= -p $PPID)"; sleep 1; fi
        if [ -e "$FAKES/fail" ]; then echo "ERROR: no network"; exit 1; fi
        ;;
esac
"""


class Make:
    """Runs the script in a project of its own."""

    def __init__(self, folder: Path) -> None:
        self.fakes = folder / "fakes"
        self.project = folder / "project"
        self.fakes.mkdir()
        self.project.mkdir()
        (self.project / "pyproject.toml").write_text("[project]\n")
        (self.project / "constraints.txt").write_text("")

    def have(self, name: str, version: str) -> str:
        """A Python of this version, by this name and by that of its version."""
        for path in (self.fakes / name, self.fakes / f"python{version}"):
            path.write_text(PYTHON.format(version=version))
            path.chmod(0o755)
        return str(self.fakes / name)

    def run(self, *python: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, "env", ".", *python],
            cwd=self.project,
            env={"PATH": f"{self.fakes}:/usr/bin:/bin", "FAKES": str(self.fakes)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def told(self, name: str) -> list[str]:
        """What the Pythons have done: "made" environments, and "installed" into them."""
        file = self.fakes / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def make(tmp_path):
    return Make(tmp_path)


def test_it_installs_once_and_shows_what(make):
    make.have("python3", "3.12")
    first, second = make.run(), make.run()
    assert (first.returncode, second.returncode) == (0, 0)
    assert "    1  trio>=1\n" in first.stdout
    assert "Downloading" not in first.stdout
    assert second.stdout == ""
    assert make.told("made") == ["3.12"]
    assert len(make.told("installed")) == 1


@pytest.mark.parametrize("version", ["3.10", "3.14", "2.7"])
def test_a_python_that_cannot_be_used_is_named_in_a_sentence_and_changes_nothing(make, version):
    good = make.have("python3.12", "3.12")
    assert make.run(good).returncode == 0
    wrong = make.have("old", version)
    run = make.run(wrong)
    assert run.returncode == 1
    assert f"'{wrong}' is Python {version}, and Python 3.11, 3.12 or 3.13 is needed" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert make.run(good).stdout == make.run().stdout == ""
    assert make.told("made") == ["3.12"]


def test_one_that_is_not_there_is_said_so(make):
    run = make.run("nonesuch")
    assert run.returncode == 1
    assert "'nonesuch' cannot be started" in run.stderr
    assert not (make.project / "env").exists()


def test_without_a_choice_any_that_can_be_used_is_found(make):
    make.have("python3", "3.10")
    make.have("python3.13", "3.13")
    assert make.run().returncode == 0
    assert make.told("made") == ["3.13"]


def test_another_version_gets_an_environment_of_its_own_and_keeps_it_without_a_choice(make):
    make.have("python3", "3.11")
    other = make.have("other", "3.13")
    assert [make.run().returncode, make.run(other).returncode, make.run().returncode] == [0, 0, 0]
    assert make.told("made") == ["3.11", "3.13"]


def test_what_was_broken_off_is_made_again(make):
    make.have("python3", "3.12")
    (make.fakes / "kill").touch()
    make.run()
    assert not (make.project / "env" / ".installed").exists()
    assert make.run().returncode == 0
    assert make.told("made") == ["3.12", "3.12"]


def test_what_has_failed_is_gone_on_with_and_pips_own_words_are_kept(make):
    make.have("python3", "3.12")
    (make.fakes / "fail").touch()
    run = make.run()
    assert run.returncode == 1
    assert "ERROR: no network" in run.stdout
    assert "env/pip.log has all" in run.stderr
    assert "Downloading trio" in (make.project / "env" / "pip.log").read_text()
    (make.fakes / "fail").unlink()
    assert make.run().returncode == 0
    assert make.told("made") == ["3.12"]


def test_other_dependencies_and_another_place_are_installed_again(make):
    make.have("python3", "3.12")
    make.run()
    (make.project / "constraints.txt").write_text("trio==1\n")
    make.run()
    make.project = make.project.rename(make.project.with_name("elsewhere"))
    make.run()
    assert make.told("made") == ["3.12"]
    assert len(make.told("installed")) == 3
