"""What operators see, behind the session's `Telemetry` port. Without prometheus-client the server runs and counts none."""

from typing import TYPE_CHECKING

import structlog

from voicetrio.metrics.silent import SilentTelemetry

if TYPE_CHECKING:
    from voicetrio.metrics.prometheus import PrometheusTelemetry

log = structlog.get_logger()


def make_telemetry() -> "PrometheusTelemetry | SilentTelemetry":
    """The telemetry of a process: Prometheus', or, where prometheus-client cannot be imported, one that is silent."""
    try:
        import prometheus_client  # noqa: F401 - asked here, so that an import error of our own is not taken for this
    except ImportError:
        log.warning("metrics_off", missing="prometheus-client", install="pip install prometheus-client")
        return SilentTelemetry()
    from voicetrio.metrics.prometheus import PrometheusTelemetry

    return PrometheusTelemetry()
