"""Counts what it is told: `telemetry.counts["vad_event:speech_start"]`."""

from collections import Counter


class FakeTelemetry:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.values: dict[str, list[float]] = {}

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)

        def record(*args: object) -> None:
            labels = [str(arg) for arg in args if isinstance(arg, str)]
            self.counts[":".join([name, *labels])] += 1
            self.values.setdefault(name, []).extend(arg for arg in args if isinstance(arg, (int, float)))

        return record
