"""Long trials with real processes, which print what they measured. Nothing here is collected by pytest."""
