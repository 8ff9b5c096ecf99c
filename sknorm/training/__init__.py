"""Training: data, batches, the epoch loop, stopping and history."""
