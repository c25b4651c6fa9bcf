"""Calls that the document allows and the façade rightly refuses, because one parameter forbids another.

OpenAPI cannot say these rules; each has a test of its own in tests/lab. All other refusals of valid calls are failures.
"""

import schemathesis
from schemathesis.generation.modes import GenerationMode

PARTITIONS = 3  # of the lab's topic

FREE_TYPES = ("latency", "noop", "slow_close", "limit_data", "drop_response", "close_after_request")
TOXIC_MEMBERS = {"type", "name", "stream", "toxicity"}
# scripts/schemathesis.sh makes it: faults of the fuzzer must not hit the sends that are tried beside them.
SCRATCH_PROXY = "scratch"


def too_many_bytes(text, limit):
    # The document counts characters, the limit is in bytes.
    return len(str(text or "").encode("utf-8", "surrogatepass")) > limit


def breaks_a_rule_between_parameters(path, query):
    if path == "/api/v1/send":
        if query.get("mode") == "idempotent" and query.get("acks") not in (None, "all"):
            return True
        if query.get("keyless") == "true" and str(query.get("key") or "").strip():
            return True
        if query.get("partition") is not None and query.get("partitioner") is not None:
            return True
        if too_many_bytes(query.get("eventId"), 512):
            return True
    if path == "/api/v1/partition" and too_many_bytes(query.get("key"), 1024):
        return True
    if path in ("/api/v1/send", "/api/v1/topics/{topic}/records"):
        partition = query.get("partition")
        if partition is not None and int(partition) >= PARTITIONS:
            return True
    # Which attributes a toxic needs depends on its type.
    if path == "/api/v1/chaos/proxies/{proxy}/toxics":
        is_free = query.get("type") in FREE_TYPES and not set(query) - TOXIC_MEMBERS
        return not is_free or too_many_bytes(query.get("name"), 128)
    # An offset belongs to a partition.
    if path == "/api/v1/topics/{topic}/records" and query.get("partition") is None:
        return str(query.get("from", "")).isdigit()
    return False


@schemathesis.hook
def filter_case(context, case):
    meta = case.meta
    if meta is None or meta.generation.mode != GenerationMode.POSITIVE:
        return True
    return not breaks_a_rule_between_parameters(case.operation.path, dict(case.query or {}))


@schemathesis.hook
def before_call(context, case, kwargs):
    proxy = (case.path_parameters or {}).get("proxy")
    if case.method != "GET" and proxy == "kafka":
        case.path_parameters["proxy"] = SCRATCH_PROXY
