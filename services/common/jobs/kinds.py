"""The kinds of work that are jobs. A kind is the name of its queue, of its task and of the SDK's call."""

VISUALIZE_CLASS = "visualize_class"
VISUALIZE_CHANNEL = "visualize_channel"
DEEP_DREAM = "deep_dream"
INVERT_FEATURES = "invert_features"
CREATE_ADVERSARIAL = "create_adversarial"
TRAIN_PRIOR = "train_prior"
IMPORT_IMAGES = "import_images"
INDEX_COLLECTION = "index_collection"
PROJECT_COLLECTION = "project_collection"
EVALUATE_METHODS = "evaluate_methods"
EVALUATE_ATTENTION = "evaluate_attention"
SYNTHESIS_KINDS = (VISUALIZE_CLASS, VISUALIZE_CHANNEL, DEEP_DREAM, INVERT_FEATURES, CREATE_ADVERSARIAL)
EVALUATION_KINDS = (EVALUATE_METHODS, EVALUATE_ATTENTION)
SHARED_KINDS = (INDEX_COLLECTION, *EVALUATION_KINDS)
"""Those that several workers may work on at once."""
LASTING_KINDS = (TRAIN_PRIOR,)
"""Those whose files are kept until somebody deletes the job."""
KINDS = (*SYNTHESIS_KINDS, TRAIN_PRIOR, IMPORT_IMAGES, INDEX_COLLECTION, PROJECT_COLLECTION, *EVALUATION_KINDS)
