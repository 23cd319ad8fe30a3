"""What was bought, and whether it was delivered."""
