"""What a person, a CI server or another tool reads of the verdicts."""
