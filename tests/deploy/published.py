"""The essentials of the published schemas of custom resources, as JSON schemas: what must be there, and no other names
where a wrong one would be dropped in silence."""

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
COUNT: Schema = {"type": "integer", "minimum": 0}


def table(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object with these fields and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


def several(items: Schema, *, most: int = 64) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def choice(*values: str) -> Schema:
    return {"enum": [*values]}


LABELS: Schema = {"type": "object", "additionalProperties": TEXT}
EXPRESSION = table(("key", "operator"), key=TEXT, operator=TEXT, values=several(TEXT))
SELECTOR = table(matchLabels=LABELS, matchExpressions=several(EXPRESSION))
SECRET = table(("name",), group={"type": "string"}, kind=TEXT, name=TEXT, namespace=TEXT)
LOCAL = table(("group", "kind", "name"), group={"type": "string"}, kind=TEXT, name=TEXT)
SCALING = table(
    stabilizationWindowSeconds={**COUNT, "maximum": 3600},
    selectPolicy=choice("Max", "Min", "Disabled"),
    policies=several(
        table(
            ("type", "value", "periodSeconds"),
            type=choice("Pods", "Percent"),
            value={"type": "integer", "minimum": 1},
            periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
        )
    ),
)
SPECS = {
    ("gateway.networking.k8s.io/v1", "Gateway"): table(
        ("gatewayClassName", "listeners"),
        gatewayClassName=TEXT,
        infrastructure=table(annotations=LABELS, labels=LABELS),
        listeners=several(
            table(
                ("name", "port", "protocol"),
                name=TEXT,
                hostname=TEXT,
                port=PORT,
                protocol=choice("HTTP", "HTTPS", "TLS", "TCP", "UDP"),
                tls=table(
                    ("certificateRefs",), mode=choice("Terminate", "Passthrough"), certificateRefs=several(SECRET)
                ),
                allowedRoutes=table(
                    kinds=several(table(("kind",), group=TEXT, kind=TEXT), most=8),
                    namespaces=table(**{"from": choice("All", "Selector", "Same")}, selector=SELECTOR),
                ),
            )
        ),
    ),
    ("gateway.networking.k8s.io/v1", "GRPCRoute"): table(
        ("parentRefs", "rules"),
        parentRefs=several(table(("name",), name=TEXT, namespace=TEXT, sectionName=TEXT, port=PORT), most=32),
        hostnames=several(TEXT, most=16),
        rules=several(
            table(
                ("backendRefs",),
                matches=several(
                    table(
                        ("method",),
                        method=table(
                            ("service",), type=choice("Exact", "RegularExpression"), service=TEXT, method=TEXT
                        ),
                    ),
                    most=8,  # 64 in later versions
                ),
                backendRefs=several(table(("name", "port"), name=TEXT, port=PORT, weight=COUNT), most=16),
            ),
            most=16,
        ),
    ),
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy"): table(
        ("targetRefs", "validation"),
        targetRefs=several(LOCAL, most=16),
        validation=table(("hostname",), hostname=TEXT, caCertificateRefs=several(LOCAL, most=8)),
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): table(
        ("scaleTargetRef", "triggers"),
        scaleTargetRef=table(("name",), apiVersion=TEXT, kind=TEXT, name=TEXT),
        pollingInterval=COUNT,
        cooldownPeriod=COUNT,
        minReplicaCount=COUNT,
        maxReplicaCount=COUNT,
        advanced=table(
            restoreToOriginalReplicaCount={"type": "boolean"},
            horizontalPodAutoscalerConfig=table(name=TEXT, behavior=table(scaleUp=SCALING, scaleDown=SCALING)),
        ),
        triggers=several(
            table(
                ("type", "metadata"),
                type=TEXT,
                name=TEXT,
                metricType=choice("AverageValue", "Value", "Utilization"),
                # Strings, every one: a number is refused.
                metadata={"type": "object", "additionalProperties": TEXT},
            )
        ),
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): table(
        ("groups",),
        groups=several(
            table(
                ("name", "rules"),
                name=TEXT,
                interval=TEXT,
                rules=several(
                    table(("alert", "expr"), alert=TEXT, expr=TEXT, labels=LABELS, annotations=LABELS, **{"for": TEXT})
                ),
            )
        ),
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): table(
        ("selector", "endpoints"),
        selector=SELECTOR,
        namespaceSelector=table(matchNames=several(TEXT), any={"type": "boolean"}),
        endpoints=several(table(("port",), port=TEXT, path=TEXT, interval=TEXT, scheme=choice("http", "https"))),
    ),
}
