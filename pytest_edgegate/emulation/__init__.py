"""An emulated ARM Python: the processors, the folder that it lies in, and its runtimes."""
