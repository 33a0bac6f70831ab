"""Run the demo or the tests from a fresh copy of this folder.

    python3 run.py demo [arguments of `visual-dicom-browser demo`]
    python3 run.py test [arguments of pytest]

Makes a virtual environment `.venv` beside this file, installs this package into it with what the command
needs, and runs the command there. Once installed, nothing is fetched until pyproject.toml changes.
Standard library only; kept to syntax that an old Python can read, so that it can say that it is too old.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "visual-dicom-browser.json"
LOG = ENVIRONMENT / "install.log"
EXTRAS = {"demo": ["desktop", "decoders"], "test": ["desktop", "decoders", "test"]}
OLDEST = (3, 10)
NEWEST = (3, 13)
USAGE = """usage: python3 run.py demo [--headless --output DIR ...]
       python3 run.py test [pytest arguments]"""


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def say(text):
    """Tell the user what goes on; standard output belongs to the command that is run."""
    print(text, file=sys.stderr, flush=True)


def python_complaint(version):
    """Why a Python of this version cannot be used, or an empty text.

    The oldest is what the package is written for, the newest what slicer-core has wheels for.
    """
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return ""
    found, oldest, newest = (".".join(map(str, each[:2])) for each in (version, OLDEST, NEWEST))
    return (
        f"Python {found} cannot be used: this needs Python {oldest} to {newest}. "
        f"Install one of these and start run.py with it, for example: python{newest} run.py demo"
    )


def venv_complaint(has_module):
    """What is missing to make a virtual environment, or an empty text; `has_module` tells of one module."""
    missing = [name for name in ("venv", "ensurepip") if not has_module(name)]
    if not missing:
        return ""
    major, minor = sys.version_info[:2]
    return (
        f"This Python has no {' and no '.join(missing)}, which making a virtual environment needs. "
        f"On Debian and Ubuntu: sudo apt install python{major}.{minor}-venv"
    )


def has_module(name):
    """True if this Python can import the module."""
    return importlib.util.find_spec(name) is not None


def script_path(name):
    """Path of a program of the virtual environment."""
    if os.name == "nt":
        return ENVIRONMENT / "Scripts" / (name + ".exe")
    return ENVIRONMENT / "bin" / name


def wanted_stamp():
    """What an up-to-date environment was made from; the folder counts, as the package is linked to it."""
    project = (ROOT / "pyproject.toml").read_bytes()
    return {"pyproject": hashlib.sha256(project).hexdigest(), "folder": str(ROOT)}


def installed_extras(wanted):
    """Extras that the environment has, as long as it was made from `wanted`."""
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
        extras = set(found.pop("extras"))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return set()
    return extras if found == wanted else set()


def environment_works():
    """True if the environment's Python starts and has pip."""
    try:
        command = [str(script_path("python")), "-m", "pip", "--version"]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def make_environment():
    """Make `.venv` anew, replacing one that does not work (interrupted, or its Python was removed)."""
    complaint = venv_complaint(has_module)
    if complaint:
        raise SetupError(complaint)
    say(f"Making a virtual environment in {ENVIRONMENT} ...")
    command = [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SetupError("The virtual environment could not be made:\n" + tail(done.stdout))


def tail(text, lines=20):
    """The last lines of a program's output, indented."""
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-lines:])


def install(extras):
    """Install the package, linked to this folder, with `extras`; pip's words go into a log."""
    say("Installing what is needed (once; several hundred MB with Qt, VTK and Slicer's core) ...")
    target = f"{ROOT}[{','.join(extras)}]"
    command = [str(script_path("python")), "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--no-input", "--progress-bar", "off", "--editable", target]
    pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    output = []
    with pip, LOG.open("w", encoding="utf-8") as log:
        for line in pip.stdout:
            log.write(line)
            output.append(line)
            if line.lstrip().startswith("Downloading"):
                say("  " + line.strip())
    if pip.returncode != 0:
        message = (
            "pip could not install what is needed. Is the network there? "
            f"The end of what it said (all of it is in {LOG}):\n{tail(''.join(output))}"
        )
        raise SetupError(message)


def prepare(extras):
    """Bring the environment to what pyproject.toml asks for; does nothing if it is there already."""
    wanted = wanted_stamp()
    present = installed_extras(wanted)
    if set(extras) <= present and script_path("python").exists():
        return
    if not environment_works():
        make_environment()
        present = set()
    together = sorted(present | set(extras))
    install(together)
    STAMP.write_text(json.dumps(dict(wanted, extras=together)), encoding="utf-8")


def run(command, folder):
    """Run a program with our own input and output and give its exit code."""
    child = subprocess.Popen([str(part) for part in command], cwd=folder)
    while True:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            continue  # The child got the same key press and ends in its own way.
        return code if code >= 0 else 128 - code


def main(arguments):
    """Carry out one command and return its exit code; 2 for wrong usage, 1 if the set-up failed."""
    if not arguments or arguments[0] not in EXTRAS:
        say(USAGE)
        return 2
    name, rest = arguments[0], arguments[1:]
    complaint = python_complaint(sys.version_info)
    if complaint:
        say(complaint)
        return 1
    try:
        prepare(EXTRAS[name])
    except SetupError as error:
        say(str(error))
        return 1
    if name == "demo":
        return run([script_path("visual-dicom-browser"), "demo", *rest], None)
    return run([script_path("python"), "-m", "pytest", *rest], str(ROOT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
