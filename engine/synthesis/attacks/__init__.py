"""What adversarial pictures are made of beside the other parts: the file that is attacked, what is wanted, the ways."""
