"""Opening a media file, and choosing what to hear of it. All of it blocks."""

import os
from pathlib import Path

import av
import av.error
from av.stream import Disposition

from voicetrio.core.errors import VoicetrioError

_NOT_MEANT = Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.comment | Disposition.dependent
"""Tracks that are for a part of the audience, beside another one that has the speech."""

_HEAD_BYTES = 12

_UNKNOWN_BYTES = 0x7FFF0000
"""What writes into a pipe does not know the length, and says that it is about this, or as much as fits into 32 bits."""

_SLACK_BYTES = 4096
"""What may be missing: some writers count their own headers wrongly."""


class MediaError(VoicetrioError):
    """The file cannot be read as audio. The text names the file and the reason."""


def open_container(path: str) -> "av.container.InputContainer":
    """Raises:
    MediaError: there is no such file, or it has no sound.
    """
    try:
        if Path(path).stat().st_size == 0 and Path(path).is_file():
            raise MediaError(f"{path}: the file is empty")
        # "file:" keeps a name with a colon from being taken for a network address, and keeps a playlist file from
        # making us fetch one. Tags are not sound: whatever their encoding is, it must not matter.
        container = av.open(f"file:{path}", mode="r", metadata_errors="replace")
    except av.error.InvalidDataError:
        raise MediaError(f"{path}: {_no_media(path)}") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path}: cannot be opened ({reason_of(error)})") from None
    if not container.streams.audio:
        what = "there is no sound in it, only a picture" if container.streams.video else "nothing in it can be heard"
        container.close()
        raise MediaError(f"{path}: not an audio file ({what})")
    return container


def choose_track(path: str, container: "av.container.InputContainer", number: int | None) -> "av.AudioStream":
    """The sound track with this number, from 1 on; None: the one that a player would play.

    That is the one marked as default; of several the first that is for everybody. What cannot be decoded here is not
    chosen.

    Raises:
        MediaError: there is no such track, or none that can be decoded.
    """
    tracks = container.streams.audio
    if number is not None:
        if not 1 <= number <= len(tracks):
            raise MediaError(f"{path}: has no sound track {number}; it has {len(tracks)}:{describe_tracks(container)}")
        tracks = (tracks[number - 1],)
    usable = [track for track in tracks if _is_decodable(track)]
    if not usable:
        raise MediaError(f"{path}: its sound is in a format that this FFmpeg cannot decode")
    return max(
        usable,
        key=lambda track: (
            bool(track.disposition & Disposition.default),
            not track.disposition & _NOT_MEANT,
            -track.index,
        ),
    )


def describe_tracks(container: "av.container.InputContainer") -> str:
    """A line for each sound track, with its number, language and title."""
    lines = []
    for number, track in enumerate(container.streams.audio, start=1):
        facts = [track.metadata.get("language", ""), track.metadata.get("title", "")]
        facts += ["default"] if track.disposition & Disposition.default else []
        lines.append(f"\n  {number}: {', '.join(fact for fact in facts if fact) or 'nothing is said of it'}")
    return "".join(lines)


def is_cut(path: str) -> bool:
    """Whether a RIFF file (WAV, AVI) has less than it says. FFmpeg itself only looks at what is there."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    declared = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and declared < _UNKNOWN_BYTES and os.path.getsize(path) + _SLACK_BYTES < declared


def reason_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_decodable(track: "av.AudioStream") -> bool:
    # A stream without a decoder has no codec context.
    return getattr(track, "codec_context", None) is not None


def _no_media(path: str) -> str:
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free"):
        return (
            "an MP4 file without its index (moov), which recorders write last: the recording was cut off. Nothing can be "
            "read from it as it is; a tool that repairs MP4 files needs a whole one of the same recorder"
        )
    return "not an audio file, or a damaged one"
