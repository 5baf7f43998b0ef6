"""Runs what installs with the user's sources of packages, and with no other setting of theirs for pip and uv.

  .tox/tools/bin/python mk/packages.py COMMAND...

Where packages come from is the user's to say, in the environment, in pip.conf or in uv.toml: index, mirror,
certificate, proxy and cache. What is said to pip alone is told to uv as well, and the other way round. What is
installed, how and into what is the Makefile's: no other setting of pip's or uv's reaches the command.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

# By pip's names, the variables that say the same to uv: the first is today's.
ALIKE = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "timeout": ("UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT"),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
}
PIP_ALONE = ("no-index", "proxy", "retries", "keyring-provider", "cache-dir", "no-cache-dir")
UV_ALONE = re.compile(
    "UV_(OFFLINE|NATIVE_TLS|HTTP_RETRIES|KEYRING_PROVIDER|CACHE_DIR|NO_CACHE|LINK_MODE|CONCURRENT_.*"
    "|INDEX_.*_(USERNAME|PASSWORD)|PYTHON_(DOWNLOADS|PREFERENCE|INSTALL_DIR|INSTALL_MIRROR))"
)
NOWHERE = "file:///proc/no-index"  # uv has no variable for --no-index


def read_pip():
    """Returns {pip's name: value} of its environment and configuration, as `pip install` takes them."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    settings = {"cert": os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")}
    for section in ("global", "install", ":env:"):
        found = re.findall(rf"^{section}\.(.*?)=(.*)$", printed, re.MULTILINE)
        settings |= {name.removeprefix("default-"): ast.literal_eval(value) for name, value in found}
    return {name: " ".join(value.split()) for name, value in settings.items() if value}


def read_uv():
    """Returns ({pip's name: value} of uv's environment and uv.toml, {variable: value} of what is uv's alone)."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    given = os.environ.get("UV_CONFIG_FILE")
    settings = {}
    for path in [given] if given else ["/etc/uv/uv.toml", Path(home, "uv/uv.toml")]:
        if os.path.isfile(path) and "UV_NO_CONFIG" not in os.environ:
            settings |= tomllib.loads(Path(path).read_text(encoding="utf-8"))
    settings |= settings.pop("pip", {})
    indexes = settings.pop("index", [])
    settings.setdefault("extra-index-url", [index["url"] for index in indexes if not index.get("default")])
    settings.setdefault("index-url", next((index["url"] for index in indexes if index.get("default")), None))
    settings["trusted-host"] = settings.pop("allow-insecure-host", [])
    alone = {f"UV_{name.upper().replace('-', '_')}": str(value).lower() for name, value in settings.items()}
    alone = {name: value for name, value in (alone | os.environ).items() if UV_ALONE.fullmatch(name)}
    for name, variables in ALIKE.items():
        value = next((os.environ[variable] for variable in variables if os.environ.get(variable)), None)
        if value:
            settings[name] = value.split("," if name == "find-links" else None)
    alike = {name: settings.get(name) for name in (*ALIKE, "no-index")}
    return {
        name: " ".join(value) if isinstance(value, list) else str(value) for name, value in alike.items() if value
    }, alone


def surroundings():
    """Returns the environment for a command that installs."""
    pip, (uv, alone) = read_pip(), read_uv()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))} | alone
    told = {name: value for name, value in (uv | pip).items() if name in (*ALIKE, *PIP_ALONE)}
    for name, (variable, *_) in ALIKE.items():
        if value := uv.get(name) or pip.get(name):
            environment[variable] = value.replace(" ", ",") if name == "find-links" else value
            told[name] = pip.get(name) or re.sub(r"(^| )[\w.-]+=", r"\1", value)  # uv's indexes may have names
    if "no-index" in told:
        environment |= {"UV_DEFAULT_INDEX": NOWHERE, "UV_INDEX": ""}
    if "proxy" in told:
        environment.setdefault("ALL_PROXY", told["proxy"])
    environment |= {f"PIP_{name.upper().replace('-', '_')}": value for name, value in told.items()}
    return environment | {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"} | caches()


def caches():
    """Returns where caches go if that can't be the user's own folder, as where there is no home that can be written."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return {"XDG_CACHE_HOME": os.path.abspath(".tox/.cache")}
    return {}


def main():
    try:
        environment = surroundings()
    except subprocess.CalledProcessError:
        sys.exit("pip's configuration cannot be read: mend it, or set PIP_CONFIG_FILE=/dev/null")
    except (OSError, ValueError) as error:
        sys.exit(f"uv.toml cannot be read: mend it, or set UV_NO_CONFIG=1: {error}")
    os.execvpe(sys.argv[1], sys.argv[1:], environment)


if __name__ == "__main__":
    main()
