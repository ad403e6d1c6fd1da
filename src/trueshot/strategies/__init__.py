"""What a user picks: proposers, training and evaluation wired together."""
