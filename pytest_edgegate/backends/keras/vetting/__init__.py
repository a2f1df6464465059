"""Vets model files of Keras and TensorFlow by their bytes, before a framework loads them.

Only names on an allowlist reach a loader: layers, the symbols that operation layers call, the
operators of graphs. The lists are the ``.toml`` files beside this one.
"""
