"""Reads the part of the Dockerfile language that our Dockerfile uses, and refuses the rest: what is not understood is not tried."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = {
    "FROM",
    "ARG",
    "ENV",
    "LABEL",
    "RUN",
    "COPY",
    "WORKDIR",
    "USER",
    "VOLUME",
    "EXPOSE",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "ENTRYPOINT",
    "CMD",
}
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class NotUnderstood(Exception):
    """An instruction that this reader does not know; the message names it."""


@dataclass(frozen=True)
class Step:
    """One instruction and all that follows it on its lines."""

    word: str
    rest: str

    def __str__(self) -> str:
        text = " ".join(self.rest.split())
        return f"{self.word} {text if len(text) < 100 else text[:97] + '...'}"


@dataclass
class Stage:
    """One image: its name, what it begins from, and its steps."""

    name: str
    base: str
    steps: list[Step] = field(default_factory=list)

    def last(self, word: str) -> str:
        """What the last such instruction says, an empty text when there is none."""
        found = [step.rest for step in self.steps if step.word == word]
        return found[-1] if found else ""

    def command(self, word: str) -> list[str]:
        """The words of ENTRYPOINT or CMD, which we write as JSON only: no shell stands between a signal and the program."""
        text = self.last(word)
        return [str(part) for part in json.loads(text)] if text else []

    def health_check(self) -> list[str]:
        return [str(part) for part in json.loads(self.last("HEALTHCHECK").partition("CMD")[2])]


def read(path: Path) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage, and the stages. Raises NotUnderstood."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for step in _steps(path.read_text(encoding="utf-8")):
        if step.word not in KNOWN:
            raise NotUnderstood(str(step))
        if step.word == "FROM":
            base, _, name = step.rest.partition(" AS ")
            stages.append(Stage(name.strip(), replaced(base.strip(), arguments)))
        elif stages:
            stages[-1].steps.append(step)
        else:
            name, _, value = step.rest.partition("=")
            arguments[name] = value
    return arguments, stages


def _steps(text: str) -> Iterator[Step]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        yield Step(word, rest.strip())


def replaced(text: str, values: Mapping[str, str]) -> str:
    """Variables by their values; unknown ones by nothing, as Docker does it."""
    return _VARIABLE.sub(lambda match: values.get(match[1] or match[2], ""), text)


def pairs(rest: str, values: Mapping[str, str]) -> dict[str, str]:
    """NAME=value … of ENV and LABEL."""
    return dict(word.partition("=")[::2] for word in shlex.split(replaced(rest, values)))


def copied(rest: str) -> tuple[str, list[str], str]:
    """The stage that COPY takes from (empty: the build's context), the sources, and where they go."""
    words = rest.split()
    origin = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else ""
    if any(word.startswith("--") for word in words):
        raise NotUnderstood(f"COPY {rest}")
    return origin, words[:-1], words[-1]


class Context:
    """What of a folder a build may see, after its `.dockerignore` in the one form we use: nothing, but these, without those."""

    def __init__(self, root: Path) -> None:
        self._root = root
        lines = [line.strip() for line in (root / ".dockerignore").read_text(encoding="utf-8").splitlines()]
        rules = [line for line in lines if line and not line.startswith("#")]
        if rules[:1] != ["*"]:
            raise NotUnderstood(".dockerignore must begin with *")
        self.allowed = [rule[1:] for rule in rules if rule.startswith("!")]
        self._left_out = [rule for rule in rules[1:] if not rule.startswith("!")]

    def has(self, path: Path) -> bool:
        """Whether the build sees the file or folder."""
        name = path.relative_to(self._root).as_posix()
        if not any(name == one or name.startswith(one + "/") or one.startswith(name + "/") for one in self.allowed):
            return False
        return not any(_is_under(name, rule) for rule in self._left_out)


def _is_under(name: str, rule: str) -> bool:
    if not rule.startswith("**/"):
        return name == rule or name.startswith(rule + "/")
    wanted = rule[3:]
    parts = name.split("/")
    return any(part.endswith(wanted[1:]) if wanted.startswith("*") else part == wanted for part in parts)
