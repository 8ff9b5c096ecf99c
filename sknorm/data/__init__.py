"""From a table and its targets to the arrays of training: checks, what is learned, encoding."""
