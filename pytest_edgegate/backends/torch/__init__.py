"""torch modules and exported programs: reading them, and running them as the reference."""
