"""Files of models and of checkpoints: plain values in a format that runs no code."""
