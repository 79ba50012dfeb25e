"""What is moved, and the pictures that it stands for."""
