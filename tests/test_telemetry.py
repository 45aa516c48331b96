"""Libraries that would report to their makers are kept from it."""

import os
import subprocess
import sys


def test_importing_onnxruntime_after_us_leaves_no_session_file(tmp_path):
    environment = {key: value for key, value in os.environ.items() if "TELEMETRY" not in key}
    subprocess.run(
        [sys.executable, "-c", "import voicetrio, onnxruntime"],
        env={**environment, "TMPDIR": str(tmp_path)},
        check=True,
    )
    assert list(tmp_path.iterdir()) == []


def test_who_wants_them_to_report_can_have_it():
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    command = "import os, voicetrio; assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'"
    subprocess.run([sys.executable, "-c", command], env=environment, check=True)
