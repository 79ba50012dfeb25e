"""What networks that read or write words have in common."""
