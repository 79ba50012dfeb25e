"""How each kind of work begins."""

from collections.abc import Callable, Mapping

from convscope.services.common.jobs.kinds import (
    IMPORT_IMAGES,
    INDEX_COLLECTION,
    PROJECT_COLLECTION,
    SYNTHESIS_KINDS,
)
from convscope.workers.import_work import ImportWork
from convscope.workers.index_work import IndexWork
from convscope.workers.syntheses import begin_synthesis
from convscope.workers.work import Bench, Work


def _begin_projection(bench: Bench) -> Work:
    # openTSNE and scikit-learn take more than a second to import, and most children never make a map.
    from convscope.workers.project_work import ProjectWork

    return ProjectWork(bench)


WORK: Mapping[str, Callable[[Bench], Work]] = {
    **dict.fromkeys(SYNTHESIS_KINDS, begin_synthesis),
    IMPORT_IMAGES: ImportWork,
    INDEX_COLLECTION: IndexWork,
    PROJECT_COLLECTION: _begin_projection,
}
