"""Formulas of the gates: intervals, bootstraps, AUC, sample sizes and distances."""
