"""The integrator's page: each of its calls is made, and answered as it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.documents import document
from tests.servers.web import WebServer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not shutil.which("curl"), reason="needs curl"),
]

BLOCK = re.compile(
    r"^```sh\n(?P<call>.*?)^```\n(?:\n```json\n(?P<answer>.*?)^```)?", re.MULTILINE | re.DOTALL
)
ANEW = {"id", "createTime", "updateTime"}


def comparable(value: Any) -> Any:
    """Without what is another one each time."""
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    if isinstance(value, dict):
        return {name: None if name in ANEW else comparable(inner) for name, inner in value.items()}
    return value


def test_every_call_of_the_page_is_answered_as_it_says(alice: User) -> None:
    text = document("docs/providers.md").text
    calls = list(BLOCK.finditer(text))
    assert len(calls) == text.count("```sh") > 5
    variables = {**os.environ, "TOKEN": "token-of-alice", "no_proxy": "*"}
    with WebServer() as web:
        variables["URL"] = f"http://127.0.0.1:{web.port}"
        for found in calls:
            result = subprocess.run(
                ["bash", "-c", found["call"]], env=variables, capture_output=True, text=True, check=True
            )
            if found["answer"] is None:
                assert result.stdout == "", found["call"]
                continue
            answered = json.loads(result.stdout)
            assert comparable(answered) == comparable(json.loads(found["answer"])), found["call"]
            if "driver" in answered:
                variables["ID"] = str(answered["id"])
