"""ONNX files: converting, compressing, reading and running."""
