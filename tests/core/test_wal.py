import dataclasses

import pytest

from voicetrio.core.wal import WALCheckpoint, WriteAheadLog


def test_a_new_log_starts_at_the_first_segment_and_the_first_sample():
    assert WriteAheadLog(now=1.5).checkpoint == WALCheckpoint(segment_id=1, buffer_offset=0, timestamp_ms=1500)


def test_a_record_replaces_the_last_one_whole():
    log = WriteAheadLog(now=0.0)
    before = log.checkpoint
    log.record(segment_id=2, buffer_offset=16_000, now=3.0)
    assert log.checkpoint == WALCheckpoint(segment_id=2, buffer_offset=16_000, timestamp_ms=3000)
    assert before == WALCheckpoint(segment_id=1, buffer_offset=0, timestamp_ms=0), (
        "who holds the old one keeps it whole"
    )


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        WriteAheadLog(now=0.0).checkpoint.segment_id = 2  # type: ignore[misc]


@pytest.mark.parametrize(("segment_id", "buffer_offset"), [(1, 200), (2, 99)])
def test_what_is_committed_stays_committed(segment_id, buffer_offset):
    log = WriteAheadLog(now=0.0)
    log.record(segment_id=2, buffer_offset=100, now=0.0)
    with pytest.raises(AssertionError):
        log.record(segment_id=segment_id, buffer_offset=buffer_offset, now=0.0)
