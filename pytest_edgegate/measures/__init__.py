"""Artifact -> Measurement. Every figure has one function here, and none of them judges."""
