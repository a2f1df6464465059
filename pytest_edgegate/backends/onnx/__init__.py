"""ONNX files: making, compressing, reading and running them."""
