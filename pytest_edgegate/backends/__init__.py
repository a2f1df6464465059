"""One folder a format. Reached only through entry points."""
