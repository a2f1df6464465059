"""One folder per format, reached only through entry points."""
