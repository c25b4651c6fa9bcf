"""What the compose files and manifests promise, asserted: names, ports, timeouts, the fault path, and the hardening.

Schemas say that a file is well formed; they do not say that its ports are the course's, or that the APIs stand behind the
injector. Usage: check.py DOCKER_FOLDER [COMPOSE_JSON CLUSTER_JSON], the latter as the compose library has loaded them.
"""

import json
import pathlib
import sys

import yaml

TIMEOUTS = {
    "KAFKA_REQUEST_TIMEOUT_MS": "30000",
    "KAFKA_SOCKET_TIMEOUT_MS": "60000",
    "KAFKA_DELIVERY_TIMEOUT_MS": "120000",
    "KAFKA_RETRY_BACKOFF_MS": "100",
    "KAFKA_RETRIES": "10",
    "KAFKA_LINGER_MS": "0",
    "KAFKA_ACKS_PLAIN": "1",
}
COMPOSE_PORTS = {
    "kafka": {"9092:9092"},
    "toxiproxy": {"8474:8474", "29093:29093"},
    "m02-java-api": {"18080:8080"},
    "m02-dotnet-api": {"18081:8080"},
    "kafka-ui": {"8080:8080"},
}
NODE_PORTS = {"m02-java-api": [31080], "m02-dotnet-api": [31081], "toxiproxy": [31474, 32093], "toxiproxy-kafka": []}
OURS = ("kafka-init", "toxiproxy", "toxiproxy-init", "m02-java-api", "m02-dotnet-api")
errors = []


def expect(condition, what):
    if not condition:
        errors.append(what)


def equal(found, expected, what):
    expect(found == expected, f"{what}: found {found!r}, expected {expected!r}")


def text_of(service):
    return " ".join(service.get("command") or [])


def check_compose(name, project):
    services = project["services"]
    equal(project["name"], "bhf-kafka", f"{name}: project name")
    equal(project["networks"]["bhf-kafka-network"]["name"], "bhf-kafka-network", f"{name}: network")
    for service in [*COMPOSE_PORTS, "kafka-init", "toxiproxy-init"]:
        expect(service in services, f"{name}: service {service} is missing")
    for service, definition in services.items():
        equal(definition.get("container_name"), service, f"{name}: container name of {service}")
        expect("bhf-kafka-network" in definition["networks"], f"{name}: {service} is not on the network")
        ports = definition.get("ports") or []
        for port in ports:
            equal(port.get("host_ip"), "127.0.0.1", f"{name}: {service} is open to others on {port['published']}")
        if service in COMPOSE_PORTS:
            equal({f"{port['published']}:{port['target']}" for port in ports}, COMPOSE_PORTS[service], f"{name}: ports of {service}")
    for service in OURS:
        expect(services[service].get("read_only"), f"{name}: {service} may write its root")
    for api in ("m02-java-api", "m02-dotnet-api"):
        environment = services[api]["environment"]
        equal(environment["KAFKA_BOOTSTRAP_SERVERS"], "toxiproxy:29093", f"{name}: {api} must be behind the injector")
        for variable, value in TIMEOUTS.items():
            equal(environment.get(variable), value, f"{name}: {api} {variable}")
        for before in ("toxiproxy-init", "kafka-init"):
            condition = services[api]["depends_on"][before]["condition"]
            equal(condition, "service_completed_successfully", f"{name}: {api} starts after {before}")
        equal(services[api].get("cap_drop"), ["ALL"], f"{name}: capabilities of {api}")
    equal(services["m02-java-api"]["environment"].get("SERVER_PORT"), "8080", f"{name}: port of the Java API")
    equal(services["m02-dotnet-api"]["environment"].get("ASPNETCORE_URLS"), "http://+:8080", f"{name}: port of the .NET API")
    injector = text_of(services["toxiproxy"])
    expect("0.0.0.0:29093" in injector and "kafka:29092" in injector, f"{name}: the injector stands before kafka:29092")
    expect("--advertised-host toxiproxy" in injector, f"{name}: the injector must name itself in Kafka's answers")
    expect("bhf-transactions --partitions 3" in text_of(services["kafka-init"]), f"{name}: the topic has three partitions")
    equal(services["kafka-ui"]["environment"]["KAFKA_CLUSTERS_0_NAME"], "BHF-Training", f"{name}: cluster name in the UI")


def check_cluster(services):
    brokers = ("kafka", "kafka-2", "kafka-3")
    ids, advertised, settings = set(), set(), set()
    for broker in brokers:
        environment = services[broker]["environment"]
        ids.add(environment["KAFKA_NODE_ID"])
        advertised.update(environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
        host = next(port for port in services[broker]["ports"])
        expect(
            f"HOST://localhost:{host['published']}" in environment["KAFKA_ADVERTISED_LISTENERS"],
            f"cluster: {broker} tells clients on the host another port than it has there",
        )
        expect(f"INTERNAL://{services[broker]['hostname']}:29092" in environment["KAFKA_ADVERTISED_LISTENERS"], f"cluster: {broker}'s own name")
        settings.add((environment["CLUSTER_ID"], environment["KAFKA_CONTROLLER_QUORUM_VOTERS"], environment["KAFKA_MIN_INSYNC_REPLICAS"]))
        voter = f"{environment['KAFKA_NODE_ID']}@{services[broker]['hostname']}:29193"
        expect(voter in environment["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(","), f"cluster: {voter} is no voter")
    equal((len(ids), len(advertised), len(settings)), (3, 6, 1), "cluster: three ids, six addresses, one cluster")
    expect("--replication-factor 3" in text_of(services["kafka-init"]), "cluster: the topic has three replicas")
    equal(set(services["kafka-init"]["depends_on"]), set(brokers), "cluster: the topic waits for three brokers")


def check_pod(name, pod):
    equal(pod["securityContext"]["runAsNonRoot"], True, f"{name}: runAsNonRoot")
    expect(pod["securityContext"]["runAsUser"] > 0, f"{name}: a number for the user")
    equal(pod.get("automountServiceAccountToken"), False, f"{name}: no token of the cluster's API")
    equal(pod.get("enableServiceLinks"), False, f"{name}: no variables of other services")
    for container in pod["containers"]:
        context = container["securityContext"]
        equal(container["imagePullPolicy"], "Never", f"{name}: pull policy")
        equal(context["readOnlyRootFilesystem"], True, f"{name}: read-only root")
        equal(context["allowPrivilegeEscalation"], False, f"{name}: privilege escalation")
        equal(context["capabilities"]["drop"], ["ALL"], f"{name}: capabilities")
        for kind in ("requests", "limits"):
            equal(set(container["resources"][kind]), {"cpu", "memory"}, f"{name}: {kind}")


def check_api(name, container):
    equal(container["livenessProbe"]["httpGet"]["path"], "/livez", f"{name}: liveness")
    equal(container["readinessProbe"]["httpGet"]["path"], "/readyz", f"{name}: readiness")
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    equal(environment["KAFKA_BOOTSTRAP_SERVERS"], "toxiproxy-kafka:29093", f"{name}: behind the injector")
    for variable, value in TIMEOUTS.items():
        equal(environment.get(variable), value, f"{name}: {variable}")


def check_kubernetes(folder):
    objects = {}
    for path in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            equal(document["metadata"]["namespace"], "kafka", f"{path.name}: namespace")
            objects[document["kind"], document["metadata"]["name"]] = document
    for service, ports in NODE_PORTS.items():
        spec = objects["Service", service]["spec"]
        equal([port["nodePort"] for port in spec["ports"] if "nodePort" in port], ports, f"service {service}: node ports")
        pod = objects["Deployment", spec["selector"]["app"]]["spec"]["template"]
        equal(pod["metadata"]["labels"]["app"], spec["selector"]["app"], f"service {service}: finds its pods")
        names = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        expect({port["targetPort"] for port in spec["ports"]} <= names, f"service {service}: a target port that no container has")
    for kind, name in [("Deployment", "toxiproxy"), ("Deployment", "m02-java-api"), ("Deployment", "m02-dotnet-api"), ("Job", "toxiproxy-init")]:
        check_pod(name, objects[kind, name]["spec"]["template"]["spec"])
    for name in ("m02-java-api", "m02-dotnet-api"):
        check_api(name, objects["Deployment", name]["spec"]["template"]["spec"]["containers"][0])
        budget = objects["PodDisruptionBudget", name]["spec"]
        equal((budget.get("maxUnavailable"), budget["selector"]["matchLabels"]), (1, {"app": name}), f"{name}: disruption budget")
    injector = objects["Deployment", "toxiproxy"]["spec"]["template"]["spec"]["containers"][0]
    for argument in ("--advertised-host=toxiproxy-kafka", "--proxy=kafka=0.0.0.0:29093=bhf-kafka-kafka-bootstrap:9092"):
        expect(argument in injector["args"], f"toxiproxy: {argument} is missing")
    topic = objects["KafkaTopic", "bhf-transactions"]
    equal(topic["apiVersion"].split("/")[0], "kafka.strimzi.io", "the topic is Strimzi's")
    equal(topic["metadata"]["labels"]["strimzi.io/cluster"], "bhf-kafka", "the topic's cluster")
    equal((topic["spec"]["partitions"], topic["spec"]["replicas"]), (6, 3), "the topic's partitions and replicas")
    return len(objects)


def main():
    folder = pathlib.Path(sys.argv[1])
    count = check_kubernetes(folder / "k8s")
    loaded = [json.loads(pathlib.Path(path).read_text()) for path in sys.argv[2:]]
    for name, project in zip(("compose.yml", "compose.cluster.yml"), loaded):
        check_compose(name, project)
    if len(loaded) > 1:
        check_cluster(loaded[1]["services"])
    for error in errors:
        print(f"FAILED {error}", file=sys.stderr)
    if errors:
        sys.exit(1)
    print(f"{count} Kubernetes objects and {len(loaded)} compose projects are what they promise")


main()
