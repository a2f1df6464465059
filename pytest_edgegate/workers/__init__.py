"""Processes of their own for native code: what crashes or hangs there ends no session."""
