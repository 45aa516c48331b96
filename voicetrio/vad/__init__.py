"""Voice detectors behind the session's `VoiceDetector` port."""
