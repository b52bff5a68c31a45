"""Sound documents of others, which tests mangle: Envoy's files, objects of a cluster."""

from __future__ import annotations

from tests.support.routes import http_route, ref, to, virtual_service

SHARE = {"default_value": {"numerator": 5, "denominator": "HUNDRED"}}
ACTION = {
    "timeout": "30s",
    "request_mirror_policies": [{"cluster": "summarizer-v2-shadow", "runtime_fraction": SHARE}],
    "weighted_clusters": {
        "clusters": [
            {"name": "summarizer-v1", "weight": 90},
            {"name": "summarizer-v2", "weight": "10"},
        ]
    },
}
ROUTES = [
    {
        "match": {"prefix": "/"},
        "metadata": {"filter_metadata": {"surefoot": {"affinity": {}}}},
        "route": ACTION,
    },
    {"match": {"prefix": "/x"}, "redirect": {"path_redirect": "/"}},
]
CONFIG = {
    "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "name": "s",
    "metadata": {"filter_metadata": {"surefoot": {"mark": "x/1"}, "theirs": {"a": None}}},
    "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": ROUTES}],
}
ENVOY = {"version_info": "x/1", "resources": [CONFIG]}
CLUSTERS = "summarizer-v1::10.0.0.1:80::health_flags::healthy"
TRAFFIC = {"segment": {"header": {"name": "a", "exact": "b"}}, "affinity": {"cookie": "user"}}
COPIES = {"mirror": {"share": "10%", "lasts": "1m"}}


META = {"resourceVersion": "1", "uid": "u", "annotations": {"surefoot.dev/mark.reviews": "x/1"}}
VIRTUAL = virtual_service(
    [to("reviews", 90, "v1"), to("reviews", 10, "v2")],
    tcp=[{"match": [{"port": 1}], "route": [to("reviews", subset="v1")]}],
)
MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": ref("reviews-v2"), "percent": 5}}
GATEWAY = http_route([ref("reviews-v1", 90), ref("reviews-v2", 10)])
GATEWAY["spec"]["rules"][0] |= {"filters": [MIRROR], "matches": [{"headers": [{"name": "a"}]}]}
GATEWAY["status"] = {
    "parents": [{"controllerName": "c", "conditions": [{"type": "Accepted", "status": "True"}]}]
}
for _object in (VIRTUAL, GATEWAY):
    _object["metadata"] |= META
