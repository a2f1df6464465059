"""The process in which files of frameworks are loaded, run and converted."""
