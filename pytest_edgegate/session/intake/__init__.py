"""Models and data as the user gave them, recognised and read from private copies."""
