"""Vela, Arm's compiler for the Ethos-U: what it makes of a .tflite file, and its figures."""
