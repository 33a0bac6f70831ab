"""What is wrong with a server, step by step, in sentences."""
