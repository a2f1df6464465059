"""The user's data as batches of numpy arrays."""
