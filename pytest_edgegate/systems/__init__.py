"""What differs between operating systems: the only place that asks which it is."""
