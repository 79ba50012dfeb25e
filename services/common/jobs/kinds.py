"""The kinds of work that are jobs. A kind is the name of its queue, of its task and of the SDK's call."""

VISUALIZE_CLASS = "visualize_class"
DEEP_DREAM = "deep_dream"
KINDS = (VISUALIZE_CLASS, DEEP_DREAM)
