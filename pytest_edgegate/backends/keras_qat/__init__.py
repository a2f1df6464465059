"""Quantisation-aware training of Keras models, whichever format the int8 file gets."""
