"""The course's command line: `python3 book <command>`; the Makefile calls nothing else.

This file runs on whatever Python calls it, before anything is installed: the standard library only,
and no syntax that an old Python cannot parse, so that it can say what is wrong.
"""

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - an older one may be what calls
    found = "%s is %d.%d" % (sys.executable, sys.version_info[0], sys.version_info[1])  # noqa: UP031
    print("error: Python 3.11 or newer is needed, " + found + "; name one: make PYTHON=python3.12")
    sys.exit(2)

import bootstrap
from console import BUILD, ROOT, Stop

# `make help` says what each does.
OWN = ("build", "outputs", "student", "lint", "peers")
HANDED_ON = ("test", "spark", "run", "lock")  # their options, and --help, are another program's
TOOLS = ("test", "spark", "lint")  # commands that need more than the course does


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line; `rest` is what is handed on."""
    parser = argparse.ArgumentParser(prog="python3 book", description="Run and build the course.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in (*OWN, *HANDED_ON):
        options = commands.add_parser(name, add_help=name not in HANDED_ON)
        options.set_defaults(tools=name in TOOLS, press=False)
        if name == "build":
            options.add_argument("--profile", default="standard", help="a name in profiles.toml")
            options.add_argument("--dataset", help="use this data set instead of the profile's")
            options.add_argument("--into", default="_build", help="write the site to INTO/html")
            options.add_argument("--press", action="store_true", help="also make a PDF and slides")
        if name == "run":
            options.add_argument("--tools", action="store_true", help="what it runs needs them")
        if name in {"build", "outputs"}:
            options.add_argument("--only", metavar="CHAPTER", help="only one chapter, no site")
    args, rest = parser.parse_known_args(argv)
    if rest and args.command in OWN:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = [option for option in rest if option != "--"]
    return args


def do(args: argparse.Namespace) -> int:
    """Run a command in the environment that has been made for it."""
    if args.command == "run":
        return bootstrap.python("-m", *args.rest)
    if args.command == "lock":
        return bootstrap.lock(args.rest)
    # With it jsonschema, which reads notebooks, checks addresses: none holds one, and its import
    # takes a second.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    import checks
    import pages
    import runner
    import supplies

    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) != signal.SIG_IGN:  # which nohup has asked for
            signal.signal(number, runner.end)
    if args.command == "peers":
        with contextlib.redirect_stdout(sys.stderr):
            python = supplies.peers()
        print(python)
        return 0
    if args.command == "build":
        folder, page = Path(args.into).resolve(), None
        with runner.alone(folder):
            results = runner.run(args.profile, args.dataset, args.only)
            if not args.only:
                page = pages.build(results, folder, args.press)
        results.report(page)
        return 0 if results.passed else 1
    if args.command in {"test", "spark"}:
        return (checks.test if args.command == "test" else checks.spark)(args.rest)
    if args.command == "outputs":
        return checks.outputs(args.only)
    return pages.student() if args.command == "student" else checks.lint()


def main(argv: list[str]) -> int:
    """Set up what the command needs, then run it in the project's own environment."""
    if "--dataset" in argv[:-1]:  # a folder is named as it is from here, and commands run elsewhere
        at = argv.index("--dataset") + 1
        if {"/", os.sep} & {*argv[at]}:
            argv = [*argv[:at], str(Path(argv[at]).expanduser().resolve()), *argv[at + 1 :]]
    args = parse(argv)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what is printed may be for a program to read
            bootstrap.environment(args.tools or args.press)
        if not bootstrap.inside():
            return bootstrap.python("book", *argv)
        # Kernels start in notebooks/ and import course and benchmarks, which no wheel holds.
        path = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        return do(args)
    except Stop as stop:
        print(*getattr(stop, "__notes__", ()), f"error: {stop}", sep="\n", file=sys.stderr)
        return 2
    except OSError as error:  # a disk that is full, or may not be written
        print(f"error: {error.filename or BUILD}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
