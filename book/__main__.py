"""The course's command line: `python3 book <command>`; the Makefile calls nothing else.

This file runs on whatever Python calls it, before anything is installed: the standard library only,
and no syntax that an old Python cannot parse, so that it can say what is wrong.
"""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - an older one may be what calls
    found = "%s is %d.%d" % (sys.executable, sys.version_info[0], sys.version_info[1])  # noqa: UP031
    print("error: Python 3.11 or newer is needed, " + found + "; name one: make PYTHON=python3.12")
    sys.exit(2)

import bootstrap
import profiles
from console import ROOT, Stop

COMMANDS = {
    "build": "Run the chapters, then build the site.",
    "run": "Run the chapters and build no site.",
    "test": "Run every test in one pytest call: unit, notebooks under nbval, the built site.",
    "spark": "Bring Spark, and run its tests and its chapter; needs Java 17 or newer.",
    "outputs": "Renew the notebooks' checked outputs from the quick profile, clear all others.",
    "lint": "Style, types and the directions of imports.",
    "lab": "Open JupyterLab in notebooks/.",
    "tune": "Search a model's parameters and write down what was chosen.",
    "reproduce": "Measure the rating models by a published protocol, one line each.",
    "bench": "Measure the library beside its peers, and print the table.",
    "peers": "Set up the peers' environment, and print the path of its Python.",
    "lock": "Resolve the dependencies anew and write the lock files.",
    "clean": "Remove what was built: _build/ and compiled code.",
}
MODULES = {  # what the environment's Python runs for a command
    "lab": ("jupyterlab", "--notebook-dir=notebooks"),
    "tune": ("recsys_lib", "tune"),
    "reproduce": ("recsys_lib", "reproduce"),
    "bench": ("benchmarks",),
}
HANDED_ON = ("test", "spark", *MODULES)  # their options, and --help, are another program's


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line; `rest` is what is handed on."""
    parser = argparse.ArgumentParser(prog="python3 book", description="Run and build the course.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in COMMANDS.items():
        own_help = name not in HANDED_ON
        options = commands.add_parser(name, help=text, description=text, add_help=own_help)
        if name in {"build", "run"}:
            options.add_argument("--profile", default="standard", help="a name in profiles.toml")
            options.add_argument("--dataset", help="instead of the profile's data set")
        if name in {"build", "run", "outputs"}:
            options.add_argument("--only", metavar="CHAPTER", help="one chapter, and no site")
        if name == "build":
            options.add_argument("--into", default="_build", help="the site goes to INTO/html")
    args, rest = parser.parse_known_args(argv)
    if rest and args.command not in HANDED_ON:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = [option for option in rest if option != "--"]
    return args


def book(args: argparse.Namespace) -> int:
    """Run the chapters; then build the site, if it is asked for and no chapter is left out."""
    import pages
    import runner

    started = time.perf_counter()
    results = runner.run(args.profile, args.dataset, args.only)
    site = args.command == "build" and not args.only
    page = pages.build(results, Path(args.into).resolve()) if site else None
    results.report(time.perf_counter() - started, page)
    return 0 if results.passed else 1


def do(args: argparse.Namespace) -> int:
    """Do what a command says, in the environment that has been made for it."""
    if args.command in {"build", "run"}:
        return book(args)
    if args.command in MODULES:
        return bootstrap.python("-m", *MODULES[args.command], *args.rest)
    if args.command == "lock":
        return bootstrap.lock()
    import checks

    if args.command == "peers":
        return checks.peers()
    if args.command == "lint":
        return checks.lint()
    if args.command == "outputs":
        return checks.outputs(args.only)
    return checks.spark(args.rest) if args.command == "spark" else checks.test(args.rest)


def main(argv: list[str]) -> int:
    """Set up what the command needs, then do it in the project's own environment."""
    args = parse(argv)
    try:
        if args.command == "clean":
            return bootstrap.clean()
        if "profile" in args:
            profiles.load(args.profile)  # a misspelt one is told before anything is installed
        with contextlib.redirect_stdout(sys.stderr):  # what is printed may be for a program to read
            bootstrap.environment()
        if not bootstrap.inside():
            return bootstrap.python("book", *argv)
        # Kernels start in notebooks/ and import course and benchmarks, which no wheel holds.
        path = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        return do(args)
    except Stop as stop:
        print(f"error: {stop}", file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
