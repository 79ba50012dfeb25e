"""Three small networks that know the small world: what is it, what is there, and what is asked."""
