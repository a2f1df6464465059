"""Cleanup: the session's temporary folder and its processes leave nothing behind."""
