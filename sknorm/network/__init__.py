"""The network: blocks, parameters, initial weights, folding."""
