"""Fixtures of all tests; ``pytester`` is loaded by pyproject.toml."""
