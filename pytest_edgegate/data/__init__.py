"""What the user gives as data, as batches of numpy arrays."""
