"""The framework process, which loads, runs and converts model files of the frameworks."""
