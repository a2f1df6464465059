"""Keras models, old and new, and SavedModels: reading them, and running them as the reference."""
