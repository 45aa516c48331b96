"""The server works without prometheus-client: nothing is counted, one line says so, and /metrics says what to install."""

import inspect
import json
import sys
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from voicetrio.gateway.app import House, make_gateway
from voicetrio.metrics import make_telemetry
from voicetrio.metrics.prometheus import PrometheusTelemetry
from voicetrio.metrics.silent import SilentTelemetry


@pytest.fixture
def no_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)  # how Python notes that an import must fail


def test_with_prometheus_client_everything_is_counted_and_nothing_said():
    with capture_logs() as logs:
        assert isinstance(make_telemetry(), PrometheusTelemetry)
    assert logs == []


def test_without_it_one_line_says_what_to_install(no_prometheus):
    with capture_logs() as logs:
        assert isinstance(make_telemetry(), SilentTelemetry)
    assert [(line["log_level"], line["event"]) for line in logs] == [("warning", "metrics_off")]
    assert logs[0]["install"] == "pip install prometheus-client"


def test_an_import_error_of_our_own_is_not_taken_for_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "voicetrio.metrics.prometheus", None)
    with pytest.raises(ImportError):
        make_telemetry()


def test_the_silent_one_takes_all_that_the_real_one_takes():
    def methods(kind: type) -> dict[str, list[str]]:
        functions = inspect.getmembers(kind, inspect.isfunction)
        return {name: [*inspect.signature(one).parameters] for name, one in functions if not name.startswith("_")}

    assert methods(SilentTelemetry) == methods(PrometheusTelemetry)
    telemetry = SilentTelemetry()
    samples = {"seconds": 1.0, "value": 0.5, "count": 1}
    for name, parameters in methods(SilentTelemetry).items():
        assert getattr(telemetry, name)(*(samples.get(one, "text") for one in parameters[1:])) is None


def house_with(telemetry: object) -> House:
    nothing = cast("Any", None)
    return House(
        registry=nothing,
        workers=nothing,
        ports=nothing,
        telemetry=cast("Any", telemetry),
        session_config=nothing,
        session_limits=nothing,
        allowed_origins=(),
        loopback_only=True,
    )


async def test_the_metrics_page_says_what_to_install(no_prometheus):
    gateway = make_gateway()
    gateway.house = house_with(make_telemetry())
    answer = await gateway.test_client().get("/metrics")
    assert answer.status_code == 501
    assert answer.content_type == "application/json"
    assert "pip install prometheus-client" in json.loads(await answer.get_data())["status"]


async def test_the_metrics_page_is_prometheus_text():
    gateway = make_gateway()
    gateway.house = house_with(make_telemetry())
    answer = await gateway.test_client().get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"stt_active_sessions 0.0" in await answer.get_data()
