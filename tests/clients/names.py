"""The models of the shared server."""

LITE = "efficientnet_lite0"
RESNET = "resnet18_seeded"
# Of the catalogue, with weights that come with its package; tests may load and unload it.
UNLOADED = "efficientnet_lite1"
CATS = range(281, 286)
