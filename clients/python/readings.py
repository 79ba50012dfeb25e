"""How what jobs on collections gave is read, by the kind of job."""

from collections.abc import Mapping
from typing import Any

from convscope.client.collection_parse import Reading, to_imported, to_indexed, to_map
from convscope.client.evaluation_parse import to_attention_evaluation, to_evaluation
from convscope.client.job_info import JobInfo
from convscope.client.job_parse import other_kind
from convscope.client.prior_parse import to_trained

READINGS: Mapping[str, Reading[Any]] = {
    "import_images": to_imported,
    "index_collection": to_indexed,
    "project_collection": to_map,
    "evaluate_methods": to_evaluation,
    "evaluate_attention": to_attention_evaluation,
    "train_prior": to_trained,
}


def reading_of(info: JobInfo) -> Reading[Any]:
    """Raises FailedPrecondition for a job of another kind."""
    if info.kind not in READINGS:
        raise other_kind(info, "is no work on a collection; Client.job() gives what it has made")
    return READINGS[info.kind]
