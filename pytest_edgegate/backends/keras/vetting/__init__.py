"""What a model file of Keras or TensorFlow would call, read from its bytes before they see it.

Only what is on a list of harmless names reaches a loader: layers, the symbols that layers of
operations call, the operators of graphs. The lists are the ``.toml`` files beside this one.
"""
