"""A hook of MkDocs: the site has the repository's paths, so that a relative link works in both.

MkDocs reads one folder, `docs`. Here its files get their paths in the repository, and the files that the navigation
lists outside of it (README.md, ARCHITECTURE.md) join them. Addresses stay short: docs/cookbook.md is /cookbook/.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[1]
PICTURES = {"dashboard/board/mark.svg": "images/mark.svg"}
"""Pictures outside of docs, and their addresses."""


def on_config(config: MkDocsConfig) -> None:
    """Make anchors as the repository's view does. YAML that every reader accepts cannot name a function."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Give every page its path in the repository, and add the pages outside of docs."""
    docs = PurePosixPath(config.docs_dir).relative_to(ROOT)
    found = [_with_path(file, docs, config) if file.src_dir == config.docs_dir else file for file in files]
    config.nav = _expanded(config.nav, sorted(file.src_uri for file in found))
    outside = {path: _address(path) for path in _paths(config.nav) if docs not in PurePosixPath(path).parents}
    found += [_file(path, address, config) for path, address in (outside | PICTURES).items()]
    return Files(found)


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Give a page that is alone in its tab the place of the list of pages."""
    if page.parent is None:
        page.meta["hide"] = ["navigation"]
    return markdown


def _with_path(file: File, docs: PurePosixPath, config: MkDocsConfig) -> File:
    return _file(str(docs / file.src_uri), file.dest_uri, config)


def _file(path: str, address: str, config: MkDocsConfig) -> File:
    return File(path, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=address)


def _address(path: str) -> str:
    """The address of a page outside of docs."""
    return str(PurePosixPath(path.lower()).with_suffix("") / "index.html")


def _paths(nav: Any) -> Iterator[str]:
    """The paths that a navigation lists, at any depth."""
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _paths(item)


def _expanded(nav: Any, paths: list[str]) -> Any:
    """The navigation with pages in place of each pattern, without those that the same list names."""
    if isinstance(nav, dict):
        return {title: _expanded(item, paths) for title, item in nav.items()}
    if isinstance(nav, str):
        return nav
    expanded: list[Any] = []
    for item in nav:
        if isinstance(item, str) and "*" in item:
            expanded += (path for path in paths if PurePosixPath(path).match(item) and path not in nav)
        else:
            expanded.append(_expanded(item, paths))
    return expanded
