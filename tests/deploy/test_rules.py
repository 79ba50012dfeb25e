"""The rules find what is wrong: an overlay is broken, and one of them says so."""

from collections.abc import Callable

import pytest

from tests.deploy import rules
from tests.deploy.manifests import Manifests, Object, pod_of, render
from tests.deploy.rules import Rule

Break = Callable[[Manifests], object]


def deployment(manifests: Manifests, name: str = "attribution") -> Object:
    return manifests.one("Deployment", name)


def container(manifests: Manifests, name: str = "attribution") -> Object:
    found: Object = pod_of(deployment(manifests, name))["containers"][0]
    return found


def secret(manifests: Manifests) -> Object:
    """The volume with the store's address."""
    (found,) = [volume["secret"] for volume in pod_of(deployment(manifests))["volumes"] if volume["name"] == "store"]
    volume: Object = found
    return volume


def password(manifests: Manifests) -> Object:
    """Where the store has it from."""
    (container,) = pod_of(manifests.one("StatefulSet", "store"))["containers"]
    found: Object = container["env"][0]["valueFrom"]["secretKeyRef"]
    return found


def settings(manifests: Manifests, name: str) -> Object:
    (found,) = [map for map in manifests.of("ConfigMap") if map["metadata"]["name"].startswith(name)]
    data: Object = found["data"]
    return data


def spec(manifests: Manifests, kind: str, name: str) -> Object:
    found: Object = manifests.one(kind, name)["spec"]
    return found


BROKEN: dict[str, tuple[Rule, Break, str]] = {
    "a field of no schema": (
        rules.fits_its_schema,
        lambda all: deployment(all)["spec"].update(replica=2),
        "replica",
    ),
    "a field of no published schema": (
        rules.fits_its_schema,
        lambda all: spec(all, "ScaledObject", "worker").update(maxReplicas=3),
        "maxReplicas",
    ),
    "a number where KEDA wants a string": (
        rules.fits_its_schema,
        lambda all: spec(all, "ScaledObject", "worker")["triggers"][0]["metadata"].update(threshold=1),
        "threshold",
    ),
    "a route to no port": (
        rules.fits_its_schema,
        lambda all: spec(all, "GRPCRoute", "convscope")["rules"][0]["backendRefs"][0].pop("port"),
        "port",
    ),
    "a name twice": (
        rules.names_are_unique,
        lambda all: all.one("Service", "jobs")["metadata"].update(name="attribution"),
        "Service attribution is there twice",
    ),
    "a namespace that is not made": (
        rules.names_are_unique,
        lambda all: all.one("Service", "jobs")["metadata"].update(namespace="default"),
        "the namespace default",
    ),
    "no limit of memory": (
        rules.containers_have_resources,
        lambda all: container(all)["resources"]["limits"].pop("memory"),
        "no limits of memory",
    ),
    "root": (
        rules.containers_are_confined,
        lambda all: pod_of(deployment(all))["securityContext"].update(runAsUser=0),
        "may be root",
    ),
    "a root that may be written to": (
        rules.containers_are_confined,
        lambda all: container(all)["securityContext"].pop("readOnlyRootFilesystem"),
        "may write to its root",
    ),
    "a token of the cluster": (
        rules.pods_know_nothing_of_the_cluster,
        lambda all: pod_of(deployment(all)).pop("automountServiceAccountToken"),
        "mounts a token",
    ),
    "latest": (
        rules.images_have_tags,
        lambda all: container(all).update(image="convscope/attribution:latest"),
        "another one tomorrow",
    ),
    "no tag": (
        rules.images_have_tags,
        lambda all: container(all).update(image="convscope/attribution"),
        "another one tomorrow",
    ),
    "no liveness": (
        rules.containers_have_probes,
        lambda all: container(all).pop("livenessProbe"),
        "no livenessProbe",
    ),
    "a probe of another port": (
        rules.containers_have_probes,
        lambda all: container(all)["readinessProbe"]["grpc"].update(port=50052),
        "asks port 50052",
    ),
    "a hasty start": (
        rules.containers_have_probes,
        lambda all: container(all)["startupProbe"].update(failureThreshold=3),
        "slow start",
    ),
    "a Service for nobody": (
        rules.selectors_find_pods,
        lambda all: spec(all, "Service", "jobs")["selector"].update({"app.kubernetes.io/component": "job"}),
        "Service jobs selects 0",
    ),
    "another port than the program's": (
        rules.ports_agree,
        lambda all: settings(all, "jobs").update(CONVSCOPE_PORT="50060"),
        "listens on",
    ),
    "a Service's port that is not the pods'": (
        rules.ports_agree,
        lambda all: spec(all, "Service", "jobs")["ports"][0].update(port=50051),
        "is not that of the pods",
    ),
    "a misspelt setting": (
        rules.settings_are_known,
        lambda all: settings(all, "worker").update(CONVSCOPE_LEASE_SECOND="5"),
        "nobody reads CONVSCOPE_LEASE_SECOND",
    ),
    "a setting of another role": (
        rules.settings_are_known,
        lambda all: settings(all, "worker").update(CONVSCOPE_DRAIN_GRACE="5"),
        "nobody reads CONVSCOPE_DRAIN_GRACE",
    ),
    "a budget that lets nobody go": (
        rules.budgets_let_nodes_drain,
        lambda all: spec(all, "PodDisruptionBudget", "jobs").update(minAvailable=1),
        "never lets a pod",
    ),
    "replicas of what is scaled": (
        rules.who_scales_is_alone,
        lambda all: deployment(all, "worker")["spec"].update(replicas=1),
        "undoes",
    ),
    "a metric of nobody": (
        rules.scalers_read_metrics_that_exist,
        lambda all: spec(all, "HorizontalPodAutoscaler", "attribution")["metrics"][0]["pods"]["metric"].update(
            name="convscope_queue"
        ),
        "reads convscope_queue,",
    ),
    "workers by the queue alone": (
        rules.scalers_read_metrics_that_exist,
        lambda all: spec(all, "ScaledObject", "worker")["triggers"][0]["metadata"].update(
            query="sum(convscope_jobs_queued)"
        ),
        "in the middle of their jobs",
    ),
    "a grace that is too short": (
        rules.grace_is_longer_than_the_end_takes,
        lambda all: settings(all, "attribution").update(CONVSCOPE_DRAIN_GRACE="100"),
        "killed before its end",
    ),
    "no time to be seen going": (
        rules.endpoints_go_before_calls_are_refused,
        lambda all: settings(all, "jobs").pop("CONVSCOPE_DRAIN_DELAY"),
        "before others know",
    ),
    "a certificate of nobody": (
        rules.certificates_exist,
        lambda all: spec(all, "Gateway", "convscope")["listeners"][0]["tls"]["certificateRefs"][0].update(name="tls"),
        "needs the Secret tls",
    ),
    "a mount of no volume": (
        rules.mounts_and_volumes_agree,
        lambda all: pod_of(deployment(all))["volumes"].pop(),
        "no volume of it",
    ),
    "a heartbeat in the image": (
        rules.files_in_settings_are_mounted,
        lambda all: settings(all, "worker").update(CONVSCOPE_HEARTBEAT_FILE="/run/heartbeat"),
        "nothing is mounted",
    ),
    "a file that a secret has not": (
        rules.files_in_settings_are_mounted,
        lambda all: settings(all, "worker").update(CONVSCOPE_REDIS_URL_FILE="/etc/convscope/store/address"),
        "which the Secret convscope-store has not",
    ),
    "a secret in the environment": (
        rules.secrets_are_files,
        lambda all: container(all)["env"].append(
            {"name": "CONVSCOPE_TOKEN", "valueFrom": {"secretKeyRef": {"name": "convscope-page", "key": "token"}}}
        ),
        "CONVSCOPE_TOKEN is a secret",
    ),
    "a secret as an environment": (
        rules.secrets_are_files,
        lambda all: container(all)["envFrom"].append({"secretRef": {"name": "convscope-artifacts"}}),
        "convscope-artifacts is a secret",
    ),
    "a secret for everybody": (
        rules.secret_files_can_be_read,
        lambda all: secret(all).pop("defaultMode"),
        "convscope-store is for everybody",
    ),
    "a secret for root": (
        rules.secret_files_can_be_read,
        lambda all: pod_of(deployment(all))["securityContext"].pop("fsGroup"),
        "convscope-store is for root",
    ),
    "a secret of nobody": (
        rules.references_exist,
        lambda all: secret(all).update(secretName="convscope-redis"),
        "Secret convscope-redis",
    ),
    "a variable of no secret": (
        rules.references_exist,
        lambda all: password(all).update(name="convscope-redis"),
        "Secret convscope-redis",
    ),
    "a key that a secret has not": (
        rules.references_exist,
        lambda all: secret(all)["items"][0].update(key="address"),
        "key address",
    ),
    "a variable of no key": (
        rules.references_exist,
        lambda all: password(all).update(key="word"),
        "key word",
    ),
    "a service that is not routed": (
        rules.the_route_knows_every_service,
        lambda all: spec(all, "GRPCRoute", "convscope")["rules"][1]["matches"].pop(),
        "which has",
    ),
    "a policy that allows all": (
        rules.nothing_is_allowed_unsaid,
        lambda all: spec(all, "NetworkPolicy", "jobs")["egress"].append({}),
        "every port",
    ),
    "a store that nobody may reach": (
        rules.what_is_needed_is_allowed,
        lambda all: spec(all, "NetworkPolicy", "store").pop("ingress"),
        "nobody may reach port 6379",
    ),
    "no way to the store": (
        rules.what_is_needed_is_allowed,
        lambda all: spec(all, "NetworkPolicy", "worker").pop("egress"),
        "may not get out on port 6379",
    ),
}


@pytest.mark.parametrize(("rule", "spoil", "says"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_found(rule: Rule, spoil: Break, says: str) -> None:
    manifests = render("overlays/ha" if rule is rules.certificates_exist else "overlays/gpu").copy()
    spoil(manifests)
    faults = list(rule(manifests))
    assert any(says in fault for fault in faults), faults


def test_default_deny_is_missed() -> None:
    manifests = render("overlays/gpu").without("NetworkPolicy", "default-deny")
    assert list(rules.nothing_is_allowed_unsaid(manifests)) == ["what no policy speaks of is allowed"]


def test_every_rule_is_seen_to_fail() -> None:
    seen = {rule for rule, _, _ in BROKEN.values()}
    assert [rule.__name__ for rule in rules.RULES if rule not in seen] == []
