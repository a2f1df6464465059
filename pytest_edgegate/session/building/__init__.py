"""From a plan to an artifact, leg by leg, through the cache."""
