"""Collections of images, as every process of a cluster knows them."""
