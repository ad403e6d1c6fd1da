"""What follows a strategy: training, baselines, choice and test, one for all."""
