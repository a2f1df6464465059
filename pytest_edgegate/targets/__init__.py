"""Targets as data: one TOML file a board in this folder, found by listing it."""
