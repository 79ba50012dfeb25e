"""Long work as servers and workers share it: records in the store, files in the artifact store."""
