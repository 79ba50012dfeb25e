"""The tab Explain: which pixels made the network say what it says."""
