"""The page: what convscope shows, in a browser. It talks to a cluster through the SDK only."""
