"""The first page, its files, and the documentation page."""

from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import etag
from api.problems import Problem

router = APIRouter(include_in_schema=False)
_FOLDER = Path(__file__).resolve().parents[1] / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _files() -> dict[str, tuple[bytes, str]]:
    found: dict[str, tuple[bytes, str]] = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _TYPES:
            found[path.name] = (path.read_bytes(), _TYPES[path.suffix])
    return found


_FILES = _files()


@router.get("/")
async def page(request: Request) -> Response:
    """Live orders."""
    return _file(request, "index.html")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API's documentation, from its own description."""
    return _file(request, "docs.html")


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """A file of the pages."""
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    known = _FILES.get(name)
    if known is None:
        raise Problem(404, "no-such-path", f"no file is called {name!r}")
    body, media_type = known
    policy = {"Content-Security-Policy": _POLICY}
    return etag.answer(request, body, media_type=media_type, headers=policy)
