"""Zero-cost proxies: scores of networks with initial weights, from a mini-batch or noise, without any training."""
