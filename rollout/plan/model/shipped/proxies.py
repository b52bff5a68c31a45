"""Templates of meshes, of ingress controllers, and of HTTP servers by OpenTelemetry."""

from __future__ import annotations

from rollout.plan.model.shipped.forms import Spec, count_bad, read_values

_ENVOY = {"service": "destination_service", "version": "destination_version"}
_ISTIO = {
    "service": "destination_service_name",
    "version": "destination_version",
    "namespace": "destination_service_namespace",
}
_LINKERD = {"service": "app", "version": "version", "namespace": "namespace"}
_LINKERD_ROUTE = {
    "service": "parent_name",
    "version": "backend_name",
    "namespace": "parent_namespace",
}
_NGINX = {"service": "service", "namespace": "namespace"}
_TRAEFIK = {"version": "service"}
_OPENTELEMETRY = {"service": "service_name", "version": "service_version"}

_AT_SOURCE: Spec = {"where": {"reporter": "source"}, "reporter": "proxy"}
_INBOUND: Spec = {"where": {"direction": "inbound"}}
_FAILED_CALL = "=~UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"

_ENVOY_NEEDS = (
    "`stats_tags` that name both labels ([a local Envoy](envoy.md)). Behind Envoy Gateway all "
    "backends of one rule are one cluster, which tells no versions apart: see `envoy-ai/*`."
)
_LINKERD_NEEDS = (
    "The pods' labels `app` and `version`, which the scrape copies. A pod that is dead counts "
    "nothing here: with HTTPRoutes, `linkerd-route/*` sees it."
)
_ROUTE_NEEDS = (
    "An HTTPRoute or a GRPCRoute whose backends are a Service for each version; plans name these "
    "Services as their versions. The callers' proxies count, so that a dead canary is seen."
)
_NGINX_NEEDS = (
    "Nginx counts a canary Ingress under the service of the main one and names it in the label "
    '`canary`, which is empty for stable: write `labels: {arms: {stable: {canary: ""}, canary: '
    '{canary: "NAMESPACE-SERVICE-PORT"}}}`. Where a ServiceMonitor scrapes it without '
    "`honorLabels`, its labels are `exported_service` and `exported_namespace`."
)
_TRAEFIK_NEEDS = (
    "Traefik names a Kubernetes service `NAMESPACE-NAME-PORT@kubernetes`: these are the versions "
    "of the plan. No label says which weighted service they are under. Where a ServiceMonitor "
    "scrapes it without `honorLabels`, the label is `exported_service`."
)
_HTTP_NEEDS = (
    "The resource's `service.name` and `service.version` as labels of the series: "
    "`promote_resource_attributes` of Prometheus 3, or the collector's `resource_to_telemetry_"
    "conversion`. A server that is dead counts nothing."
)

PROXIES: dict[str, Spec] = {
    "envoy/errors": count_bad(
        "Requests that a local Envoy answered with 5xx.",
        "envoy_cluster_upstream_rq",
        {"envoy_response_code": "=~5.."},
        _ENVOY,
        _ENVOY_NEEDS,
        reporter="proxy",
    ),
    "envoy/latency": read_values(
        "Time to the whole answer, as a local Envoy measures it.",
        "envoy_cluster_upstream_rq_time",
        _ENVOY,
        _ENVOY_NEEDS,
        unit="ms",
        reporter="proxy",
    ),
    "istio/errors": count_bad(
        "Requests that failed, HTTP or gRPC, as the callers' proxies saw them.",
        "istio_requests_total",
        # gRPC answers 200, whatever came of the call.
        [{"response_code": "=~5.."}, {"grpc_response_status": "=~2|4|12|13|14|15"}],
        _ISTIO,
        **_AT_SOURCE,
    ),
    "istio/latency": read_values(
        "Time to the whole answer, as the calling sidecars or gateways measure it.",
        "istio_request_duration_milliseconds",
        _ISTIO,
        unit="ms",
        **_AT_SOURCE,
    ),
    "linkerd/errors": count_bad(
        "Requests that failed, as the receiving pods' proxies count them.",
        "response_total",
        {"classification": "failure"},
        _LINKERD,
        _LINKERD_NEEDS,
        **_INBOUND,
    ),
    "linkerd/latency": read_values(
        "Time to the whole answer, as the receiving pods' proxies measure it.",
        "response_latency_ms",
        _LINKERD,
        _LINKERD_NEEDS,
        unit="ms",
        **_INBOUND,
    ),
    "linkerd-route/errors": count_bad(
        "Requests of an HTTPRoute that failed, as the callers' proxies saw them.",
        "outbound_http_route_backend_response_statuses_total",
        [{"http_status": "=~5.."}, {"error": "!="}],
        _LINKERD_ROUTE,
        _ROUTE_NEEDS,
        reporter="proxy",
    ),
    "linkerd-route/grpc-errors": count_bad(
        "Calls of a GRPCRoute that failed, as the callers' proxies saw them.",
        "outbound_grpc_route_backend_response_statuses_total",
        [{"grpc_status": _FAILED_CALL}, {"error": "!="}],
        _LINKERD_ROUTE,
        _ROUTE_NEEDS,
        reporter="proxy",
    ),
    "linkerd-route/latency": read_values(
        "Time to the whole answer of an HTTPRoute's backend, as the callers' proxies measure it.",
        "outbound_http_route_backend_response_duration_seconds",
        _LINKERD_ROUTE,
        _ROUTE_NEEDS,
        reporter="proxy",
    ),
    "nginx/errors": count_bad(
        "Requests that the Ingress controller of Nginx answered with 5xx.",
        "nginx_ingress_controller_requests",
        {"status": "=~5.."},
        _NGINX,
        _NGINX_NEEDS,
        reporter="proxy",
    ),
    "nginx/latency": read_values(
        "Time that the version behind the Ingress controller of Nginx takes to answer.",
        "nginx_ingress_controller_response_duration_seconds",
        _NGINX,
        _NGINX_NEEDS,
        reporter="proxy",
    ),
    "traefik/errors": count_bad(
        "Requests that Traefik answered with 5xx for a service.",
        "traefik_service_requests_total",
        {"code": "=~5.."},
        _TRAEFIK,
        _TRAEFIK_NEEDS,
        reporter="proxy",
    ),
    "traefik/latency": read_values(
        "Time to the whole answer of a service, as Traefik measures it.",
        "traefik_service_request_duration_seconds",
        _TRAEFIK,
        _TRAEFIK_NEEDS,
        reporter="proxy",
    ),
    "http/server-errors": count_bad(
        "Requests that an HTTP server fails (OpenTelemetry, stable names).",
        "http_server_request_duration_seconds_count",
        # `error.type` stands on failures alone, also on those that have no status.
        [{"http_response_status_code": "=~5.."}, {"error_type": "!="}],
        _OPENTELEMETRY,
        _HTTP_NEEDS,
    ),
    "http/server-latency": read_values(
        "Time to the whole answer of an HTTP server (OpenTelemetry, stable names).",
        "http_server_request_duration_seconds",
        _OPENTELEMETRY,
        _HTTP_NEEDS,
    ),
    "http-before-1.23/server-errors": count_bad(
        "As http/server-errors, by the names before semantic conventions 1.23.",
        "http_server_duration_milliseconds_count",
        {"http_status_code": "=~5.."},
        _OPENTELEMETRY,
        _HTTP_NEEDS,
    ),
    "http-before-1.23/server-latency": read_values(
        "As http/server-latency, by the names before semantic conventions 1.23.",
        "http_server_duration_milliseconds",
        _OPENTELEMETRY,
        _HTTP_NEEDS,
        unit="ms",
    ),
}
