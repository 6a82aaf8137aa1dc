"""What runs elsewhere is pinned to a commit, and may do no more than it must."""

import re

import pytest
import yaml

WRITES = {("pages", "deploy"): {"pages": "write", "id-token": "write"}}


@pytest.fixture(scope="module")
def jobs(root):
    found = {}
    for path in sorted((root / ".github/workflows").glob("*.yml")):
        workflow = yaml.safe_load(path.read_text("utf-8"))
        assert workflow["permissions"] == {"contents": "read"}
        found |= {(path.stem, name): job for name, job in workflow["jobs"].items()}
    assert found
    return found


def test_actions_are_pinned_by_commit_and_keep_no_credentials(jobs):
    steps = [step for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert len(steps) > 5
    for step in steps:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_a_job_has_no_permission_that_it_does_not_need(jobs):
    assert {key: job["permissions"] for key, job in jobs.items() if "permissions" in job} == WRITES
