"""Passes, the file and the clock of one artifact: what the measures ask."""
