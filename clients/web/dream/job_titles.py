"""Kinds of jobs, as people name them."""

JOB_TITLES = {
    "visualize_class": "Class visualisation",
    "visualize_channel": "Channel visualisation",
    "deep_dream": "DeepDream",
    "invert_features": "Feature inversion",
    "create_adversarial": "Adversarial picture",
    "train_prior": "Training of a prior",
    "import_images": "Import of pictures",
    "index_collection": "Index of a collection",
    "project_collection": "Map of a collection",
    "evaluate_methods": "Evaluation of methods",
    "evaluate_attention": "Comparison with attention",
}


def job_title(kind: str) -> str:
    """Its name here; its own where it has none."""
    return JOB_TITLES.get(kind, kind.replace("_", " "))
