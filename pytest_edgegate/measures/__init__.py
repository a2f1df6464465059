"""From an artifact to a measurement: one function for each figure; judging happens elsewhere."""
