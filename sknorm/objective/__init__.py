"""The objective: losses, penalties, and their gradient on a batch."""
