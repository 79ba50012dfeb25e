"""Who may call, how much, and what they see."""
