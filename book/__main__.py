"""The course's command line: `python3 book <command>`; the Makefile calls nothing else.

This file runs on whatever Python calls it, before anything is installed: the standard library only,
and no syntax that an old Python cannot parse, so that it can say what is wrong.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - an older one may be what calls
    found = "%s is %d.%d" % (sys.executable, sys.version_info[0], sys.version_info[1])  # noqa: UP031
    print("error: Python 3.11 or newer is needed, " + found + "; name one: make PYTHON=python3.12")
    sys.exit(2)

import bootstrap
from console import Stop


def build(args: argparse.Namespace) -> int:
    """Run the chapters, then build the site."""
    import runner

    started = time.perf_counter()
    results = runner.run(args.profile, args.dataset, args.only)
    page = None
    if args.command == "build" and not args.only:
        import pages

        page = pages.build(results, Path(args.into).resolve())
    results.report(time.perf_counter() - started, page)
    return 0 if results.passed else 1


def run(args: argparse.Namespace) -> int:
    """Run the chapters and build no site."""
    return build(args)


def test(args: argparse.Namespace) -> int:
    """Run every test in one pytest call: unit, notebooks under nbval, the built site."""
    import checks

    return checks.test(args.rest)


def spark(args: argparse.Namespace) -> int:
    """Bring Spark, and run its tests and its chapter; needs Java 17 or newer."""
    import checks

    return checks.spark(args.rest)


def outputs(args: argparse.Namespace) -> int:
    """Renew the notebooks' checked outputs from the quick profile, and clear all others."""
    import checks

    return checks.outputs(args.only)


def lint(args: argparse.Namespace) -> int:
    """Style, types and the directions of imports."""
    import checks

    return checks.lint()


def lab(args: argparse.Namespace) -> int:
    """Open JupyterLab in notebooks/."""
    return bootstrap.python("-m", "jupyterlab", "--notebook-dir=notebooks", *args.rest)


def tune(args: argparse.Namespace) -> int:
    """Search a model's parameters and write down what was chosen."""
    return bootstrap.python("-m", "recsys_lib", "tune", *args.rest)


def reproduce(args: argparse.Namespace) -> int:
    """Measure the rating models by a published protocol, one line each."""
    return bootstrap.python("-m", "recsys_lib", "reproduce", *args.rest)


def bench(args: argparse.Namespace) -> int:
    """Measure the library beside its peers, and print the table."""
    return bootstrap.python("-m", "benchmarks", *args.rest)


def peers(args: argparse.Namespace) -> int:
    """Set up the peers' environment, and print the path of its Python."""
    with contextlib.redirect_stdout(sys.stderr):
        python = bootstrap.peers()
    print(python)
    return 0


def lock(args: argparse.Namespace) -> int:
    """Resolve the dependencies anew and write the lock files."""
    return bootstrap.lock()


def clean(args: argparse.Namespace) -> int:
    """Remove what was built: _build/ and compiled code."""
    return bootstrap.clean()


COMMANDS = {
    "build": build,
    "run": run,
    "test": test,
    "spark": spark,
    "outputs": outputs,
    "lint": lint,
    "lab": lab,
    "tune": tune,
    "reproduce": reproduce,
    "bench": bench,
    "peers": peers,
    "lock": lock,
    "clean": clean,
}


# These read their options, and give their --help, themselves.
HANDED_ON = ("tune", "reproduce", "bench")
ANSWERING = (*HANDED_ON, "peers")  # what they print is for programs to read, and nothing beside it


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line; arguments after -- go to pytest or JupyterLab as they stand."""
    parser = argparse.ArgumentParser(prog="python3 book", description="Run and build the course.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    options = {}
    for name, function in COMMANDS.items():
        text = (function.__doc__ or "").strip()
        own_help = name not in HANDED_ON
        options[name] = commands.add_parser(name, help=text, description=text, add_help=own_help)
    for name in ("build", "run"):
        options[name].add_argument("--profile", default="standard", help="a name in profiles.toml")
        options[name].add_argument("--dataset", help="instead of the profile's data set")
    for name in ("build", "run", "outputs"):
        options[name].add_argument("--only", metavar="CHAPTER", help="one chapter, and no site")
    options["build"].add_argument("--into", default="_build", help="the site goes to INTO/html")
    for name in ("test", "spark", "lab"):
        options[name].add_argument("rest", nargs="*", help="handed on")
    args, rest = parser.parse_known_args(argv)
    if args.command in HANDED_ON:
        args.rest = rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def main(argv: list[str]) -> int:
    """Set up what the command needs, then do it in the project's own environment."""
    args = parse(argv)
    try:
        if args.command in {"build", "run"}:
            import profiles

            profiles.load(args.profile)  # a misspelt profile is told before anything is installed
        if args.command == "spark":
            import supplies

            supplies.java()  # so is a machine without Java
        if args.command != "clean":
            # What is asked for, and nothing else, goes to the output that a program may read.
            with contextlib.redirect_stdout(
                sys.stderr if args.command in ANSWERING else sys.stdout
            ):
                bootstrap.environment()
            if not bootstrap.inside():
                return bootstrap.python("book", *argv)
        return COMMANDS[args.command](args)
    except Stop as stop:
        print(f"error: {stop}", file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
