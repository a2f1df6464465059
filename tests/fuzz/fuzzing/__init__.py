"""A fuzzer of the gate: files that are broken on purpose, taken as the gate takes any file."""
