"""LiteRT (.tflite): what makes, reads and runs it."""
