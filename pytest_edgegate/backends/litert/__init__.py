"""LiteRT (.tflite): converting, reading and running."""
