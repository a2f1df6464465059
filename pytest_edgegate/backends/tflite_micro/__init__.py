"""LiteRT-Micro, the interpreter for microcontrollers, as its own Python package runs it."""
