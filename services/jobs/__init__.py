"""The jobs server: accepts long work, tells how it stands, takes care that it is done. It needs no torch."""
