"""The tab Look inside: what the network has learned, and what its channels look for."""
