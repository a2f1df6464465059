"""Worker processes for native code, whose crashes and hangs do not end the session."""
