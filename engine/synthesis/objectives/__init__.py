"""What is ascended, one a file. They add and multiply."""
