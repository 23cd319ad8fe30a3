"""What is left of our promises when processes are killed at random."""
