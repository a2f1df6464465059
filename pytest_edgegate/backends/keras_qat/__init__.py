"""Quantisation-aware training of Keras models, for any format of the int8 file."""
