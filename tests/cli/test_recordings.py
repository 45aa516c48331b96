"""Folders of recordings with what is said in them."""

from pathlib import Path

import pytest

from voicetrio.cli.bench_process import BenchError
from voicetrio.cli.recordings import SpokenWord, load_recordings, word_errors

FOLDER = Path(__file__).parents[1] / "recordings"


def test_a_folder_is_read_in_the_order_of_its_table():
    recordings = load_recordings(FOLDER / "commands")
    assert len(recordings) == 22
    first = recordings[0]
    assert (first.name, first.text) == ("seen01.wav", "go right seventy four metres please")
    assert first.words[0] == SpokenWord("go", 0.45, 0.69)
    assert first.seconds == pytest.approx(3.68, abs=0.01)


def test_times_of_words_may_be_missing():
    assert all(recording.words == () for recording in load_recordings(FOLDER / "english"))


def test_what_is_wrong_with_a_folder_is_told(tmp_path):
    with pytest.raises(BenchError, match=r"transcripts\.tsv cannot be read \(No such file"):
        load_recordings(tmp_path)
    table = tmp_path / "transcripts.tsv"
    table.write_text("name\ttext\na.wav\tyes\n")
    with pytest.raises(BenchError, match="needs the columns file and text"):
        load_recordings(tmp_path)
    table.write_text("file\ttext\twords\n" + f"{FOLDER / 'commands' / 'short01.wav'}\tyes\tyes:now\n")
    with pytest.raises(BenchError, match="line 2: words: 'yes:now' is not WORD:START-END in seconds of the recording"):
        load_recordings(tmp_path)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("", "", 0),
        ("open the door", "open the door", 0),
        ("open the door", "Open THE door", 0),
        ("open the door", "", 3),
        ("", "thank you", 2),
        ("open the door", "open a door", 1),
        ("open the door", "open door", 1),
        ("open the door", "open the old door", 1),
        ("a b c d", "b c d e", 2),
    ],
)
def test_errors_are_words_to_replace_insert_or_delete(said, heard, errors):
    assert word_errors(said, heard) == errors
