"""From red verdicts to diagnoses, after judging; a green run computes none of this."""
