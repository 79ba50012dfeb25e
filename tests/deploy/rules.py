"""What must hold of every overlay. Each rule tells what is wrong, one sentence each."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

import kubernetes_validate
from jsonschema import Draft202012Validator

from convscope.services.attribution import metrics as _attribution_metrics  # noqa: F401  registers them
from convscope.services.attribution.part import AttributionPart
from convscope.services.common.telemetry.metrics import REGISTRY
from convscope.services.jobs import metrics as _jobs_metrics  # noqa: F401  registers them
from convscope.services.jobs.part import JobsPart
from convscope.workers import metrics as worker_metrics
from tests.deploy.manifests import Manifests, Object, labels_of, name_of, pod_of, texts
from tests.deploy.published import SPECS
from tests.deploy.roles import PREFIX, ROLES

Faults = Iterator[str]
Rule = Callable[[Manifests], Faults]
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# Of Kubernetes, oldest and newest.
VERSIONS = ("1.33", "1.36")
SPARE_SECONDS = 5
"""Between the end of a program, as its settings have it, and the end of Kubernetes' patience."""
OTHERS = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
"""Services that every server has; the route knows one of them."""


def metric_names() -> set[str]:
    """As Prometheus stores them, before labels."""
    families = [*REGISTRY.collect(), *worker_metrics.REGISTRY.collect()]
    return {sample for family in families for sample in (family.name, f"{family.name}_total")}


def fits_its_schema(manifests: Manifests) -> Faults:
    for object in manifests.objects:
        schema = SPECS.get((object["apiVersion"], object["kind"]))
        if schema is not None:
            for error in Draft202012Validator(schema).iter_errors(object["spec"]):
                yield f"{name_of(object)}: {error.json_path}: {error.message}"
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(object, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name_of(object)}, for {version}: {error.message}"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"{name_of(object)}: {object['apiVersion']} has no schema in {version}"


def names_are_unique(manifests: Manifests) -> Faults:
    seen = set()
    for object in manifests.objects:
        name = (object["kind"], object["metadata"].get("namespace"), object["metadata"]["name"])
        if name in seen:
            yield f"{name_of(object)} is there twice"
        seen.add(name)
        if object["kind"] != "Namespace" and manifests.find("Namespace", str(name[1])) is None:
            yield f"{name_of(object)} lies in the namespace {name[1]}, which is not made"


def containers_have_resources(manifests: Manifests) -> Faults:
    for workload, container in manifests.containers():
        for part in ("requests", "limits"):
            for resource in {"cpu", "memory", "ephemeral-storage"} - container["resources"].get(part, {}).keys():
                yield f"{name_of(workload)}: {container['name']} has no {part} of {resource}"


def containers_are_confined(manifests: Manifests) -> Faults:
    for workload, container in manifests.containers():
        pod, own = pod_of(workload).get("securityContext", {}), container.get("securityContext", {})
        where = f"{name_of(workload)}: {container['name']}"
        if not (pod.get("runAsNonRoot") and pod.get("runAsUser", 0) >= 10_000):
            yield f"{where} may be root"
        if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{where} has no seccomp profile"
        if not own.get("readOnlyRootFilesystem"):
            yield f"{where} may write to its root"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{where} may get more privileges"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{where} has capabilities"


def pods_know_nothing_of_the_cluster(manifests: Manifests) -> Faults:
    for workload in manifests.workloads():
        pod = pod_of(workload)
        account = manifests.find("ServiceAccount", pod.get("serviceAccountName", ""))
        if account is None:
            yield f"{name_of(workload)} has no service account of its own"
        elif account.get("automountServiceAccountToken") is not False:
            yield f"{name_of(account)} hands out tokens"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name_of(workload)} mounts a token of the cluster"
        if pod.get("enableServiceLinks") is not False:
            yield f"{name_of(workload)} is told of Services by variables, which may be taken for settings"


def images_have_tags(manifests: Manifests) -> Faults:
    for workload, container in manifests.containers():
        name, _, tag = container["image"].partition(":")
        if not tag or tag == "latest":
            yield f"{name_of(workload)}: {name} may be another one tomorrow"


def containers_have_probes(manifests: Manifests) -> Faults:
    for workload, container in manifests.containers():
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        known = {*ports, *ports.values()}
        for name in PROBES:
            probe = container.get(name)
            if probe is None:
                yield f"{name_of(workload)}: {container['name']} has no {name}"
                continue
            for kind in {"grpc", "httpGet", "tcpSocket"} & probe.keys():
                if probe[kind]["port"] not in known:
                    yield f"{name_of(workload)}: the {name} asks port {probe[kind]['port']}, which is not one of its"
        if "startupProbe" in container and "livenessProbe" in container:
            start, life = (patience(container[name]) for name in ("startupProbe", "livenessProbe"))
            if start < 60 or life < 60:
                yield f"{name_of(workload)}: a slow start or a busy minute would kill {container['name']}"


def patience(probe: Object) -> int:
    """Seconds of failures until it has failed."""
    return int(probe["periodSeconds"] * probe["failureThreshold"])


def selectors_find_pods(manifests: Manifests) -> Faults:
    for workload in manifests.workloads():
        if not workload["spec"]["selector"]["matchLabels"].items() <= labels_of(workload).items():
            yield f"{name_of(workload)} does not select its own pods"
    for object in manifests.of("Service", "PodDisruptionBudget"):
        selector = object["spec"]["selector"]
        labels = selector.get("matchLabels", {}) if object["kind"] == "PodDisruptionBudget" else selector
        found = manifests.selected(labels, object["metadata"]["namespace"])
        if len(found) != 1:
            yield f"{name_of(object)} selects {len(found)} workloads"
    for policy in manifests.of("NetworkPolicy"):
        if not any(matches(policy["spec"]["podSelector"], labels_of(workload)) for workload in manifests.workloads()):
            yield f"{name_of(policy)} is for no pod"


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels."""
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in selector.get("matchExpressions", [])
    )


def ports_agree(manifests: Manifests) -> Faults:
    for service in manifests.of("Service"):
        for workload in manifests.selected(service["spec"]["selector"], service["metadata"]["namespace"]):
            ports = {
                name: port["containerPort"]
                for container in pod_of(workload)["containers"]
                for port in container.get("ports", [])
                for name in (port["name"], port["containerPort"])
            }
            for port in service["spec"]["ports"]:
                if ports.get(port.get("targetPort", port["port"])) != port["port"]:
                    yield f"{name_of(service)}: port {port['port']} is not that of the pods"
    for workload, container in manifests.containers():
        role = ROLES.get(workload["metadata"]["name"])
        if role is None:
            continue
        environment = manifests.environment(container)
        wanted = {environment.get("CONVSCOPE_PORT", role.port), environment.get("CONVSCOPE_METRICS_PORT")} - {None}
        listed = {port["containerPort"] for port in container.get("ports", [])}
        if listed != {int(str(port)) for port in wanted}:
            yield f"{name_of(workload)} says ports {sorted(listed)}; its program listens on {sorted(map(str, wanted))}"


def settings_are_known(manifests: Manifests) -> Faults:
    for workload, container in manifests.containers():
        given = {name for name in manifests.environment(container) if name.startswith(PREFIX)}
        role = ROLES.get(workload["metadata"]["name"])
        for name in sorted(given - (role.variables if role else set())):
            yield f"{name_of(workload)}: nobody reads {name}"


def budgets_let_nodes_drain(manifests: Manifests) -> Faults:
    budgets = list(manifests.of("PodDisruptionBudget"))
    for budget in budgets:
        for workload in manifests.selected(budget["spec"]["selector"]["matchLabels"], budget["metadata"]["namespace"]):
            least = replicas(manifests, workload)[0]
            if budget["spec"].get("minAvailable", 0) >= least or budget["spec"].get("maxUnavailable", 1) == 0:
                yield f"{name_of(budget)} never lets a pod of {least} go"
    for workload in manifests.workloads():
        if not any(
            budget["spec"]["selector"]["matchLabels"].items() <= labels_of(workload).items() for budget in budgets
        ):
            yield f"{name_of(workload)} has no PodDisruptionBudget"


def autoscaler_of(manifests: Manifests, workload: Object) -> Object | None:
    for scaler in manifests.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target.get("kind", "Deployment"), target["name"]) == (workload["kind"], workload["metadata"]["name"]):
            return scaler
    return None


def replicas(manifests: Manifests, workload: Object) -> tuple[int, int]:
    """Least and most."""
    scaler = autoscaler_of(manifests, workload)
    if scaler is None:
        count = int(workload["spec"].get("replicas", 1))
        return count, count
    names = (
        ("minReplicas", "maxReplicas") if "minReplicas" in scaler["spec"] else ("minReplicaCount", "maxReplicaCount")
    )
    return int(scaler["spec"][names[0]]), int(scaler["spec"][names[1]])


def who_scales_is_alone(manifests: Manifests) -> Faults:
    for workload in manifests.workloads():
        scaled = autoscaler_of(manifests, workload) is not None
        if scaled and "replicas" in workload["spec"]:
            yield f"{name_of(workload)} has replicas, so that each apply undoes what its autoscaler did"
        if not scaled and "replicas" not in workload["spec"]:
            yield f"{name_of(workload)} does not say how many"
        least, most = replicas(manifests, workload)
        if not 1 <= least <= most:
            yield f"{name_of(workload)}: {least} to {most}"
    for scaler in manifests.of("HorizontalPodAutoscaler", "ScaledObject"):
        if manifests.find("Deployment", scaler["spec"]["scaleTargetRef"]["name"]) is None:
            yield f"{name_of(scaler)} scales nothing"


def scalers_read_metrics_that_exist(manifests: Manifests) -> Faults:
    for scaler in manifests.of("HorizontalPodAutoscaler", "ScaledObject"):
        named = set(re.findall(r"\bconvscope_\w+", str(scaler["spec"])))
        if not named:
            yield f"{name_of(scaler)} reads no metric of ours"
        for name in sorted(named - metric_names()):
            yield f"{name_of(scaler)} reads {name}, which no server has"
        if scaler["kind"] == "ScaledObject" and not {"convscope_jobs_queued", "convscope_jobs_running"} <= named:
            yield f"{name_of(scaler)} would take workers away in the middle of their jobs"


def grace_is_longer_than_the_end_takes(manifests: Manifests) -> Faults:
    for workload, container in manifests.containers():
        name = workload["metadata"]["name"]
        if name not in ROLES:
            continue
        takes = seconds_to_end(name, container, manifests.environment(container))
        if pod_of(workload)["terminationGracePeriodSeconds"] < takes + SPARE_SECONDS:
            yield f"{name_of(workload)} is killed before its end, which takes {takes:g} s"


def seconds_to_end(name: str, container: Object, environment: Mapping[str, str]) -> float:
    """What a role may take from SIGTERM on, as its settings have it."""
    fields = ROLES[name].settings.model_fields

    def setting(key: str) -> float:
        return float(environment.get(PREFIX + key.upper(), str(getattr(fields.get(key), "default", 0))))

    if name == "worker":
        # A step, which may be as long as a checkpoint is old, and the writing of another one.
        return 2 * setting("checkpoint_seconds")
    if name == "web":
        from convscope.web.serving import GRACE_SECONDS

        return float(container["lifecycle"]["preStop"]["sleep"]["seconds"] + GRACE_SECONDS)
    return setting("drain_delay") + setting("drain_grace")


def endpoints_go_before_calls_are_refused(manifests: Manifests) -> Faults:
    for workload, container in manifests.containers():
        environment = manifests.environment(container)
        if "CONVSCOPE_DRAIN_GRACE" in environment and float(environment.get("CONVSCOPE_DRAIN_DELAY", "0")) < 5:
            yield f"{name_of(workload)} refuses calls before others know that it goes"


def mounts_and_volumes_agree(manifests: Manifests) -> Faults:
    for workload in manifests.workloads():
        pod = pod_of(workload)
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        mounts = {mount["name"] for container in pod["containers"] for mount in container.get("volumeMounts", [])}
        for name in sorted(mounts - volumes):
            yield f"{name_of(workload)} mounts {name}, which is no volume of it"
        for name in sorted(volumes - mounts):
            yield f"{name_of(workload)} has the volume {name}, which nobody mounts"


def files_in_settings_are_mounted(manifests: Manifests) -> Faults:
    """Paths in settings lie where something is mounted; else they would be read from the image, or written to it. What
    is read from a Secret is in it."""
    for workload, container in manifests.containers():
        volumes = {volume["name"]: volume for volume in pod_of(workload).get("volumes", [])}
        mounts = {mount["mountPath"]: volumes.get(mount["name"], {}) for mount in container.get("volumeMounts", [])}
        for name, value in manifests.environment(container).items():
            path = PurePosixPath(value.removeprefix("file://"))
            if not name.startswith((PREFIX, "AWS_")) or not path.is_absolute():
                continue
            found = [volume for mount, volume in mounts.items() if PurePosixPath(mount) in path.parents]
            if not found:
                yield f"{name_of(workload)}: {name} is {value}, where nothing is mounted"
            for secret in (volume["secret"] for volume in found if "secret" in volume):
                held = manifests.find("Secret", secret["secretName"], provided=True) or {}
                if path.name not in {item["path"] for item in secret.get("items", [])} | texts(held).keys():
                    yield f"{name_of(workload)}: {name} is {value}, which the Secret {secret['secretName']} has not"


def secrets_are_files(manifests: Manifests) -> Faults:
    """What is in the environment is handed on to every process, and is seen by whoever may look at one."""
    for workload, container in manifests.containers():
        if workload["metadata"]["name"] not in ROLES:
            continue
        given = [variable["name"] for variable in container.get("env", []) if "secretKeyRef" in str(variable)]
        given += [source["secretRef"]["name"] for source in container.get("envFrom", []) if "secretRef" in source]
        for name in given:
            yield f"{name_of(workload)}: {name} is a secret in the environment"


def secret_files_can_be_read(manifests: Manifests) -> Faults:
    for workload in manifests.workloads():
        pod = pod_of(workload)
        group = pod.get("securityContext", {}).get("fsGroup")
        for secret in (volume["secret"] for volume in pod.get("volumes", []) if "secret" in volume):
            mode = secret.get("defaultMode", 0o644)
            if mode & 0o007:
                yield f"{name_of(workload)}: {secret['secretName']} is for everybody"
            if not (mode & 0o040 and group):
                yield f"{name_of(workload)}: {secret['secretName']} is for root alone"


def references_exist(manifests: Manifests) -> Faults:
    for workload in manifests.workloads():
        for kind, name, key in references(workload):
            found = manifests.find(kind, name, provided=True)
            if found is None:
                yield f"{name_of(workload)} needs the {kind} {name}, which is neither made nor said to be provided"
            elif key and key not in texts(found):
                yield f"{name_of(workload)} needs the key {key} of the {kind} {name}"


def certificates_exist(manifests: Manifests) -> Faults:
    for gateway in manifests.of("Gateway"):
        for listener in gateway["spec"]["listeners"]:
            for reference in listener.get("tls", {}).get("certificateRefs", []):
                if manifests.find("Secret", reference["name"], provided=True) is None:
                    yield f"{name_of(gateway)} needs the Secret {reference['name']}"
    for policy in manifests.of("BackendTLSPolicy"):
        for reference in policy["spec"]["validation"]["caCertificateRefs"]:
            if manifests.find(reference["kind"], reference["name"], provided=True) is None:
                yield f"{name_of(policy)} needs the {reference['kind']} {reference['name']}"
        for target in policy["spec"]["targetRefs"]:
            if manifests.find("Service", target["name"]) is None:
                yield f"{name_of(policy)} is for the Service {target['name']}, which is not there"


def references(workload: Object) -> Iterator[tuple[str, str, str]]:
    """Kind, name and key of what a workload takes from elsewhere."""
    for volume in pod_of(workload).get("volumes", []):
        if "secret" in volume:
            name = volume["secret"]["secretName"]
            yield from (("Secret", name, item["key"]) for item in volume["secret"].get("items", [{"key": ""}]))
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], ""
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], ""
    for container in pod_of(workload)["containers"]:
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield "ConfigMap", source["configMapRef"]["name"], ""
            if "secretRef" in source:
                yield "Secret", source["secretRef"]["name"], ""
        for variable in container.get("env", []):
            secret = variable.get("valueFrom", {}).get("secretKeyRef")
            if secret:
                yield "Secret", secret["name"], secret["key"]


def the_route_knows_every_service(manifests: Manifests) -> Faults:
    routed: dict[str, set[str]] = {}
    for route in manifests.of("GRPCRoute"):
        for parent in route["spec"]["parentRefs"]:
            gateway = manifests.find("Gateway", parent["name"])
            if gateway is None or parent["sectionName"] not in {port["name"] for port in gateway["spec"]["listeners"]}:
                yield f"{name_of(route)} hangs on {parent['name']}, which has no such listener"
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                routed.setdefault(backend["name"], set()).update(
                    match["method"]["service"] for match in rule["matches"]
                )
                service = manifests.find("Service", backend["name"])
                if service is None or backend["port"] not in {port["port"] for port in service["spec"]["ports"]}:
                    yield f"{name_of(route)} leads to {backend['name']}:{backend['port']}, which is not there"
    if not routed:
        return
    for name, part in (("attribution", AttributionPart), ("jobs", JobsPart)):
        if routed.get(name, set()) - OTHERS != set(part.services):
            yield f"the route leads {sorted(routed.get(name, set()))} to {name}, which has {sorted(part.services)}"


def nothing_is_allowed_unsaid(manifests: Manifests) -> Faults:
    policies = list(manifests.of("NetworkPolicy"))
    if not any(
        policy["spec"]["podSelector"] == {}
        and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not {"ingress", "egress"} & policy["spec"].keys()
        for policy in policies
    ):
        yield "what no policy speaks of is allowed"
    for policy in policies:
        for direction in ("ingress", "egress"):
            for rule in policy["spec"].get(direction, []):
                if not rule.get("ports") or not rule.get("from" if direction == "ingress" else "to"):
                    yield f"{name_of(policy)} allows {direction} on every port, or from or to everybody"


def what_is_needed_is_allowed(manifests: Manifests) -> Faults:
    policies = list(manifests.of("NetworkPolicy"))
    for service in manifests.of("Service"):
        for workload in manifests.selected(service["spec"]["selector"], service["metadata"]["namespace"]):
            open_ports = {port for policy in policies for port in ports_of(policy, workload, "ingress")}
            for port in service["spec"]["ports"]:
                if not {port["port"], port["targetPort"]} & open_ports:
                    yield f"{name_of(service)}: nobody may reach port {port['port']}"
    for workload, container in manifests.containers():
        environment = manifests.environment(container)
        ways = {port for policy in policies for port in ports_of(policy, workload, "egress")}
        needed = {53} | ({6379} if "CONVSCOPE_REDIS_URL_FILE" in environment else set())
        if environment.get("CONVSCOPE_ARTIFACTS_URL", "").startswith("s3:"):
            needed.add(443)
        if "CONVSCOPE_SERVER" in environment:
            needed.add(int(environment["CONVSCOPE_SERVER"].rpartition(":")[2]))
        for way in sorted(needed - ways):
            yield f"{name_of(workload)} may not get out on port {way}"


def ports_of(policy: Object, workload: Object, direction: str) -> Iterator[int | str]:
    if matches(policy["spec"]["podSelector"], labels_of(workload)):
        for rule in policy["spec"].get(direction, []):
            yield from (port["port"] for port in rule["ports"])


RULES: tuple[Rule, ...] = (
    fits_its_schema,
    names_are_unique,
    containers_have_resources,
    containers_are_confined,
    pods_know_nothing_of_the_cluster,
    images_have_tags,
    containers_have_probes,
    selectors_find_pods,
    ports_agree,
    settings_are_known,
    budgets_let_nodes_drain,
    who_scales_is_alone,
    scalers_read_metrics_that_exist,
    grace_is_longer_than_the_end_takes,
    endpoints_go_before_calls_are_refused,
    mounts_and_volumes_agree,
    files_in_settings_are_mounted,
    secrets_are_files,
    secret_files_can_be_read,
    references_exist,
    certificates_exist,
    the_route_knows_every_service,
    nothing_is_allowed_unsaid,
    what_is_needed_is_allowed,
)
