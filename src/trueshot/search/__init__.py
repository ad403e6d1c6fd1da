"""Proposers that ask for architectures and are told their scores; none of them ever sees a supernet."""
