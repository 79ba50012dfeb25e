"""What is done to pictures between steps, so that they stay like pictures."""
