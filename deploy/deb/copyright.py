"""Prints debian/copyright: `copyright.py TREE`, for what .ci/build-tree has put into TREE."""

from __future__ import annotations

import sys
from importlib.metadata import Distribution
from pathlib import Path

OWN = "libvirt-exporter"
LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING", "NOTICE")


def main() -> None:
    folders = sorted(Path(sys.argv[1]).glob("*.dist-info"), key=lambda path: path.name.lower())
    print(f"{OWN} is under the Apache License 2.0:")
    print("see /usr/share/common-licenses/Apache-2.0 on Debian.\n")
    print(
        "It holds these Python packages, unchanged but for PyYAML's compiled part, which is left out:"
    )
    for folder in folders:
        one = Distribution.at(folder)
        if one.name != OWN:
            print(f"\n{'=' * 78}\n{one.name} {one.version}\n\n{licence(one, folder).strip()}")


def licence(distribution: Distribution, folder: Path) -> str:
    """The texts that the package came with, else what its metadata say."""
    texts = [
        path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name.upper().startswith(LICENCE_FILES)
    ]
    if texts:
        return "\n\n".join(texts)
    metadata = distribution.metadata
    classifiers = metadata.get_all("Classifier", [])
    stated = [
        *metadata.get_all("License-Expression", []),
        *metadata.get_all("License", []),
        *(one for one in classifiers if one.startswith("License ::")),
    ]
    authors = [*metadata.get_all("Author", []), *metadata.get_all("Author-email", [])]
    if not stated:
        raise SystemExit(f"{distribution.name} {distribution.version} says nothing of its licence")
    return f"Copyright: {', '.join(authors)}\nLicense: {stated[0]}"


if __name__ == "__main__":
    main()
