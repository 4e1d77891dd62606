"""What the documents' tests look at: a Markdown file's blocks, commands, headings, links and code spans.

As much of Markdown as the documents have. Text goes in, values come out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]

SHELLS = ("sh", "bash", "shell", "console")

_FENCE = re.compile(r"^ *```(\w*)$")
_HEADING = re.compile(r"^(#+) +(.*)$")
_LINK = re.compile(r"(?<!`)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMENT = re.compile(r"(?:^|\s)# .*$")


@dataclass(frozen=True, slots=True)
class Block:
    """Code: fenced, with the language of its fence, or indented by four, which has none."""

    language: str
    text: str
    line: int
    is_fenced: bool


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True)
class Document:
    path: Path
    text: str

    @classmethod
    def read(cls, name: str) -> Document:
        path = ROOT / name
        return cls(path, path.read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def _parts(self) -> tuple[tuple[Block, ...], str]:
        """The blocks, and the lines that are in none of them."""
        blocks: list[Block] = []
        prose: list[str] = []
        lines = self.text.splitlines()
        number = 0
        while number < len(lines):
            fence = _FENCE.match(lines[number])
            is_indented = lines[number].startswith("    ") and (
                number == 0 or not lines[number - 1].strip()
            )
            begin = number
            if fence:
                number += 1
                while lines[number].strip() != "```":
                    number += 1
                body = lines[begin + 1 : number]
                number += 1
                blocks.append(Block(fence[1], "\n".join(body), begin + 1, is_fenced=True))
            elif is_indented:
                while number < len(lines) and lines[number].startswith("    "):
                    number += 1
                body = [line[4:] for line in lines[begin:number]]
                blocks.append(Block("", "\n".join(body), begin + 1, is_fenced=False))
            else:
                prose.append(lines[number])
                number += 1
        return tuple(blocks), "\n".join(prose)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self._parts[0]

    @property
    def prose(self) -> str:
        return self._parts[1]

    @property
    def headings(self) -> tuple[Heading, ...]:
        found = map(_HEADING.match, self.prose.splitlines())
        return tuple(Heading(len(match[1]), match[2]) for match in found if match)

    @property
    def anchors(self) -> frozenset[str]:
        """As GitHub makes them of the headings."""
        anchors: list[str] = []
        for heading in self.headings:
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.text)
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            same = sum(
                re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one) is not None for one in anchors
            )
            anchors.append(f"{slug}-{same}" if same else slug)
        return frozenset(anchors)

    @property
    def links(self) -> tuple[str, ...]:
        return tuple(match["target"] for match in _LINK.finditer(self.prose))

    @property
    def spans(self) -> tuple[str, ...]:
        """Code within the text."""
        return tuple(match[1] for match in _SPAN.finditer(self.prose))

    @property
    def commands(self) -> tuple[str, ...]:
        """What a reader would type, line by line, without comments; continued lines are one."""
        commands: list[str] = []
        for block in self.blocks:
            if block.is_fenced and block.language not in SHELLS:
                continue
            joined = re.sub(r"\\\n\s*", "", block.text)
            for line in joined.splitlines():
                command = _COMMENT.sub("", line).strip()
                if command:
                    commands.append(command)
        return tuple(commands)

    def section(self, heading: str) -> str:
        """The lines below a heading, up to the next one of its level or above."""
        (level,) = (one.level for one in self.headings if one.text == heading)
        _, _, rest = self.text.partition(f"\n{'#' * level} {heading}\n")
        return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def documents() -> tuple[Document, ...]:
    """All that are written for readers, generated ones too."""
    names = [
        "README.md",
        "README.zh-CN.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "fixtures/README.md",
        "deploy/grafana/README.md",
        *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ]
    return tuple(map(Document.read, names))
