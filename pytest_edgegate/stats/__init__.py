"""Formulas only: intervals, distances, and how many samples a proof takes."""
