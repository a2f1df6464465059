"""What Coral's Edge TPU makes of a .tflite file: by rules, by a compiled file, by its compiler."""
