"""Engines: one file per engine, each behind `contract`, found by name in `registry` and imported only when used."""
