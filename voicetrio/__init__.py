"""A self-hosted real-time voice server. `README.md` is the way in; `voicetrio.asgi:app` is the application."""

import os

# Libraries below us would report to their makers: onnxruntime from 1.29 on, which also leaves a file in the temporary folder
# at its import, and the Hugging Face hub's client. Nobody who hosts a server for themselves has asked for that. Before any
# of them is imported, and for child processes, too; who sets a value of their own keeps it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
