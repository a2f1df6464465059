"""Persistence between runs: the content-addressed cache."""
