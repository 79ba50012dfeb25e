"""How each kind of work begins."""

from collections.abc import Callable, Mapping

from convscope.services.common.jobs.kinds import (
    EVALUATION_KINDS,
    IMPORT_IMAGES,
    INDEX_COLLECTION,
    PROJECT_COLLECTION,
    SYNTHESIS_KINDS,
    TRAIN_PRIOR,
)
from convscope.workers.import_work import ImportWork
from convscope.workers.index_work import IndexPlan, IndexWork
from convscope.workers.part_work import Plan
from convscope.workers.prior_work import PriorWork
from convscope.workers.syntheses import begin_synthesis
from convscope.workers.work import Bench, Work


def _begin_projection(bench: Bench) -> Work:
    # openTSNE and scikit-learn take more than a second to import, and most children never make a map.
    from convscope.workers.project_work import ProjectWork

    return ProjectWork(bench)


def _begin_evaluation(bench: Bench) -> Work:
    # scipy's statistics take a second to import.
    from convscope.workers.evaluate_work import EvaluateWork

    return EvaluateWork(bench)


def _plan_evaluation(bench: Bench) -> Plan:
    from convscope.workers.evaluation_plan import EvaluationPlan

    return EvaluationPlan(bench)


WORK: Mapping[str, Callable[[Bench], Work]] = {
    **dict.fromkeys(SYNTHESIS_KINDS, begin_synthesis),
    TRAIN_PRIOR: PriorWork,
    IMPORT_IMAGES: ImportWork,
    INDEX_COLLECTION: IndexWork,
    PROJECT_COLLECTION: _begin_projection,
    **dict.fromkeys(EVALUATION_KINDS, _begin_evaluation),
}
PLANS: Mapping[str, Callable[[Bench], Plan]] = {
    INDEX_COLLECTION: IndexPlan,
    **dict.fromkeys(EVALUATION_KINDS, _plan_evaluation),
}
"""Of the kinds with which others may help."""
