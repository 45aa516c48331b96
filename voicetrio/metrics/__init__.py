"""What operators see, behind the session's `Telemetry` port."""
