"""Render nginx's configuration: `python deploy/nginx/render.py OUTPUT --name portal.example.gm --web HOST:PORT … --console HOST:PORT …`.

Only the standard library: the nginx image (Dockerfile, start.sh) runs it at its start, machines without containers run it by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
_VARIABLE = re.compile(r"\$\{(INET_NGINX_[A-Z_]+)\}")


def servers(addresses: Sequence[str]) -> str:
    """The lines of an upstream. Two failures within five seconds take a process out of the pool for as long."""
    return " ".join(f"server {address} max_fails=2 fail_timeout=5s;" for address in addresses)


def always_tried(addresses: Sequence[str]) -> str:
    """The lines of an upstream that no failure takes a process out of."""
    return " ".join(f"server {address} max_fails=0;" for address in addresses)


def variables() -> set[str]:
    """Every name that the templates use."""
    return {name for template in TEMPLATES.glob("*.template") for name in _VARIABLE.findall(template.read_text(encoding="utf-8"))}


def render(output: Path, values: Mapping[str, str]) -> Path:
    """Write the configuration below `output` and answer its main file. Raises KeyError for a name without a value."""
    output.mkdir(parents=True, exist_ok=True)
    for template in sorted(TEMPLATES.glob("*.template")):
        text = _VARIABLE.sub(lambda match: values[match[1]], template.read_text(encoding="utf-8"))
        (output / template.stem).write_text(text, encoding="utf-8")
    return output / "nginx.conf"


def values_of(options: argparse.Namespace) -> dict[str, str]:
    return {
        "INET_NGINX_MAIN": options.main,
        "INET_NGINX_RUN": str(options.run),
        "INET_NGINX_LOG": options.log,
        "INET_NGINX_NAME": options.name,
        "INET_NGINX_HTTP": options.http,
        "INET_NGINX_HTTPS": options.https,
        "INET_NGINX_PUBLIC_PORT": options.public_port,
        "INET_NGINX_CERTIFICATE": str(options.certificate),
        "INET_NGINX_KEY": str(options.key),
        "INET_NGINX_CHALLENGES": str(options.challenges),
        "INET_NGINX_WEB": servers(options.web),
        "INET_NGINX_WEB_ALWAYS": always_tried(options.web),
        "INET_NGINX_CONSOLE": servers(options.console),
    }


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Render nginx's configuration for INET Portal.")
    made.add_argument("output", type=Path, help="directory to write to; start with: nginx -c OUTPUT/nginx.conf")
    made.add_argument("--name", required=True, help="the public host name, that of INET_PUBLIC_URL")
    made.add_argument("--web", nargs="+", required=True, metavar="HOST:PORT", help="web processes")
    made.add_argument("--console", nargs="+", required=True, metavar="HOST:PORT", help="console processes")
    made.add_argument("--certificate", required=True, help="PEM file with the whole chain")
    made.add_argument("--key", required=True, help="PEM file")
    made.add_argument("--http", default="80", help="what to listen on without TLS: PORT or ADDRESS:PORT")
    made.add_argument("--https", default="443", help="what to listen on with TLS")
    made.add_argument("--public-port", default="", help="such as :8443 where browsers see another port than 443")
    made.add_argument("--run", default="/run/nginx", help="existing directory for its process id and temporary files")
    made.add_argument("--log", default="/dev/stdout", help="file of the access log")
    made.add_argument("--challenges", default="/var/www/acme", help="directory of a certificate authority's challenges")
    made.add_argument("--main", default="", help="further directives at the top, such as 'user www-data; daemon off;'")
    return made


def main(arguments: Sequence[str]) -> None:
    options = parser().parse_args(arguments)
    sys.stdout.write(f"{render(options.output, values_of(options))}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
