"""Voice detectors behind the session's `VoiceDetector` port: `opening` makes those that the settings ask for.

webrtc ─ a Gaussian mixture for each session, at once
silero ─ a neural network: detectors collect windows ──> batches (one room for all sessions) ──> silero_model
"""
