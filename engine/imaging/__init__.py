"""Pictures in and out: decode, colour, overlay, contact sheet. NumPy and Pillow only, so that clients draw
with the same code as the server."""
