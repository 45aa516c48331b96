"""Reads what Prometheus would read, with prometheus-client's own parser: `Scrape(telemetry.render())`."""

from prometheus_client.parser import text_string_to_metric_families

from voicetrio.metrics.prometheus import PrometheusTelemetry


class Scrape:
    def __init__(self, text: bytes) -> None:
        self.types: dict[str, str] = {}
        """By the metric's name. Left out: `_created`, by which prometheus-client adds the time of each one's start."""
        self._values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text.decode()):
            if family.name.endswith("_created"):
                continue
            # The parser takes the end off a counter's name.
            self.types[family.name + ("_total" if family.type == "counter" else "")] = family.type
            for sample in family.samples:
                self._values[sample.name, frozenset(sample.labels.items())] = sample.value

    def value(self, name: str, **labels: str) -> float:
        """Of one sample; a `KeyError` when there is none."""
        return self._values[name, frozenset(labels.items())]

    def labels(self, name: str) -> dict[str, float]:
        """The values of a metric by the value of its only label."""
        return {value: number for (one, items), number in self._values.items() if one == name for _, value in items}

    def borders(self, name: str) -> list[float]:
        """Of a histogram, without the last, which is infinite."""
        return sorted(float(border) for border in self.labels(f"{name}_bucket") if border != "+Inf")


def scrape(telemetry: PrometheusTelemetry) -> Scrape:
    return Scrape(telemetry.render())
