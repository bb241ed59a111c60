import re
from typing import Any

import pytest

import api.routes.pages as pages


def test_the_page_and_its_modules_are_served_with_their_types(served: Any):
    page = served.client.get("/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(found) >= 3
    for path in found:
        answer = served.client.get(path)
        assert answer.status_code == 200
        etag = {"If-None-Match": answer.headers["etag"]}
        assert served.client.get(path, headers=etag).status_code == 304


def test_every_import_of_a_module_is_there():
    for name, (body, _) in pages._FILES.items():
        for wanted in re.findall(rb'from "\./([^"]+)"', body):
            assert wanted.decode() in pages._FILES, f"{name} imports {wanted.decode()}"


@pytest.mark.parametrize("name", sorted(pages._FILES))
def test_no_page_asks_anything_of_another_machine(name: str):
    text = pages._FILES[name][0].decode()
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "innerHTML" not in text
    assert not re.search(r"<[^>]+\son\w+=|<script(?![^>]*src)|style=", text)


def test_what_can_be_operated_has_a_name(served: Any):
    text = served.client.get("/").text
    for control in re.findall(r"<(?:input|button)[^>]*>(?:[^<]*)", text):
        named = "aria-label" in control or re.search(r">\s*\S", control)
        labelled = re.search(r'id="([^"]+)"', control)
        inside = labelled and re.search(
            rf'<label[^>]*(?:for="{labelled[1]}"|>[^<]*<input id="{labelled[1]}")', text
        )
        assert named or inside, control
    assert '<html lang="en">' in text
    assert 'role="status"' in text
    assert 'role="alert"' in text
