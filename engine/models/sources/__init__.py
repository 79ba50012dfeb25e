"""Where networks come from: one file a source, each with a `build`."""
