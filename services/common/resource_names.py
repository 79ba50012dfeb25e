"""Resource names: models/{model}, jobs/{job}, jobs/{job}/artifacts/{artifact}, collections/{collection},
priors/{prior}."""

import re

from convscope.engine.errors import InvalidInput

MODELS = "models/"
JOBS = "jobs/"
COLLECTIONS = "collections/"
PRIORS = "priors/"
_JOB = re.compile(r"jobs/([a-z0-9-]{1,64})")
_COLLECTION = re.compile(r"collections/([a-z0-9-]{1,64})")
_PRIOR = re.compile(r"priors/([a-z0-9][a-z0-9_.-]{0,63})")
_ARTIFACT = re.compile(r"jobs/([a-z0-9-]{1,64})/artifacts/([A-Za-z0-9][A-Za-z0-9._-]{0,99})")


def model_name(name: str, *, field: str) -> str:
    """The catalogue's name in a resource name, models/{model}; a bare one will do. Raises InvalidInput."""
    if not name.removeprefix(MODELS):
        raise InvalidInput("a model is required: models/{model}", field=field, reason="MODEL_MISSING")
    return name.removeprefix(MODELS)


def job_id(resource: str, *, field: str = "name") -> str:
    """The job of a resource name. Raises InvalidInput for what is none, so that no such job can ever have been."""
    found = _JOB.fullmatch(resource)
    if found is None:
        message = f"{field} is written jobs/NAME, not {resource[:100]!r}"
        raise InvalidInput(message, field=field, reason="NAME_INVALID")
    return found[1]


def artifact_name(resource: str) -> tuple[str, str]:
    """The job and the file of a resource name. Raises InvalidInput."""
    found = _ARTIFACT.fullmatch(resource)
    if found is None:
        message = f"name is written jobs/NAME/artifacts/FILE, not {resource[:100]!r}"
        raise InvalidInput(message, field="name", reason="NAME_INVALID")
    return found[1], found[2]


def artifact_resource(id: str, file: str) -> str:
    """Resource name of a file that a job has left."""
    return f"{JOBS}{id}/artifacts/{file}"


def collection_id(resource: str, *, field: str) -> str:
    """The collection of a resource name. Raises InvalidInput."""
    found = _COLLECTION.fullmatch(resource)
    if found is None:
        message = f"{field} is written collections/NAME, not {resource[:100]!r}"
        raise InvalidInput(message, field=field, reason="NAME_INVALID")
    return found[1]


def prior_id(resource: str, *, field: str) -> str:
    """The prior of a resource name. Raises InvalidInput."""
    found = _PRIOR.fullmatch(resource)
    if found is None:
        message = f"{field} is written priors/NAME, not {resource[:100]!r}"
        raise InvalidInput(message, field=field, reason="NAME_INVALID")
    return found[1]
