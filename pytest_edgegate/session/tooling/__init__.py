"""What the tools of a target know of an artifact."""
