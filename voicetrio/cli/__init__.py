"""Introduces everybody: reads the settings, makes the parts, and runs what a person asked for."""
