"""What happens to a gradient before a step is made of it."""
