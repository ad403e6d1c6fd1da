"""The command line: argument parsing and the one table of names."""
