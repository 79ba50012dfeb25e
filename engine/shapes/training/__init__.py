"""How the three small networks were trained: `python -m convscope.engine.shapes.training`."""
