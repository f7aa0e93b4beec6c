"""The files of deploy/ agree with each other and with the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
METRICS_PORT = 9100


def test_the_image_is_tagged_with_the_version_of_the_package_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for file in ("Dockerfile", "README.md", "kubernetes/deployment.yaml"):
        tags = re.findall(r"(?:-t |image: |\bro\" )(automl-ad\S*)", (DEPLOY / file).read_text())
        assert tags, file
        assert {tag.rstrip("`") for tag in tags} == {f"automl-ad:{version}"}, file


def test_prometheus_asks_the_ports_that_replicas_take():
    """The first replica of a node takes the metrics port, others the next ones."""
    ports = re.findall(r'"127\.0\.0\.1:(\d+)"', (DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert [int(port) for port in ports] == list(range(METRICS_PORT, METRICS_PORT + len(ports)))
    assert f"--metrics-port={METRICS_PORT}" in (DEPLOY / "kubernetes" / "deployment.yaml").read_text()


def test_pods_of_ray_reach_each_other():
    policies = (DEPLOY / "kubernetes" / "networkpolicy.yaml").read_text().split("\n---\n")
    [ray] = [policy for policy in policies if "name: automl-ad-ray" in policy]
    own = re.escape('matchLabels: {automl-ad/ray: "true"}')
    among_themselves = (
        rf"- (?:from|to):\s+- podSelector:\s+{own}\s+- (?:from|to):"  # no list of ports follows
    )
    assert re.search(rf"podSelector:\s+{own}\s+policyTypes: \[Ingress, Egress\]", ray)
    assert len(re.findall(among_themselves, ray)) == 2
