"""Errors, random streams, files, units, the run directory and the evaluation cache."""
