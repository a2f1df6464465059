"""Targets as data: one TOML file per board in this folder, which is listed to find them."""
