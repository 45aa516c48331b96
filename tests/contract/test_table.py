"""The table misses no engine that is registered, and knows none that is not."""

from voicetrio.worker.engines.registry import HEARING, HEARING_GROUP, SPEAKING, SPEAKING_GROUP

from .engines import HEARING_CASES, SPEAKING_CASES, registered


def test_every_engine_that_hears_is_held_to_the_contract():
    assert registered(HEARING, HEARING_GROUP) == {case.name for case in HEARING_CASES}


def test_every_engine_that_speaks_is_held_to_the_contract():
    assert registered(SPEAKING, SPEAKING_GROUP) == {case.name for case in SPEAKING_CASES}


def test_every_case_has_three_different_recordings():
    for case in HEARING_CASES:
        recordings = case.recordings()
        assert len({recording.pcm for recording in recordings}) == len(recordings) >= 3
        assert all(recording.text for recording in recordings)


def test_whoever_needs_a_package_says_which():
    for cases, entries in ((HEARING_CASES, HEARING), (SPEAKING_CASES, SPEAKING)):
        for case in cases:
            if case.name in entries:
                assert bool(case.imports) == bool(entries[case.name].package), case.name
