"""Reports of verdicts for people, CI servers and other tools."""
