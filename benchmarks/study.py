"""The command line: ``python -m benchmarks.study reproduce``, ``tune`` or ``leaderboard``.

Results go to the standard output, whatever happens on the way there to the standard error. A user's
mistake is told in one line, and the exit status is 2.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import NoReturn

from benchmarks import choosing, leaderboard, literature, protocols, tuned
from benchmarks.comparison import benchmark
from recsys_lib import datasets, models, tuning
from recsys_lib.errors import RecsysError

logger = logging.getLogger("recsys_lib")

REPRODUCED = ",".join(name for name in models.__all__ if getattr(models, name).predicts_ratings)
DEALS = 5  # other validation parts that `tune` measures the best trials on
LINE = "{:<12} {:>7} {:>7} {:>9}"


def reproduce(dataset: str, protocol: str, model: str, seed: int, trials: int) -> None:
    """Print a line a rating model: class name, mean test RMSE, its spread, seconds of a fit.

    Each fold is a study of its own: parameters are searched within its `Development` by that many
    `trials` (0: the defaults), the model is fitted on all of the fold's learning part, and the test
    part is read once. `model` holds class names, with commas between them. Below stand the numbers
    that were published for the same data and protocol.
    """
    able = [name for name in models.__all__ if getattr(models, name).predicts_ratings]
    wanted = [tuned.class_name(name, able) for name in model.split(",")]
    if trials < 0:
        raise RecsysError(f"trials is {trials}; it must be 0 (the defaults) or more")
    data = datasets.load(dataset)
    logger.info("%s, %s: %s, seed %d", data.name, data.ratings, protocol, seed)
    protocols.folds(data, protocol, seed)  # refuses before anything is printed
    print(LINE.format("model", "rmse", "sd", "seconds"), flush=True)
    for name in dict.fromkeys(wanted):
        found = benchmark(
            {name: getattr(models, name)()}, data, protocol, seeds=[seed], trials=trials,
            metrics=["rmse"],
        )  # fmt: skip
        spread = "-" if len(found) == 1 else f"{found['rmse'].std():.4f}"
        seconds = f"{found['fit_seconds'].mean():.2f}"
        print(LINE.format(name, f"{found['rmse'].mean():.4f}", spread, seconds), flush=True)
    for row in literature.published(data.name, protocol).itertuples():
        print(f"published: {row.model} {row.metric} {row.value:.4f} ({row.source})")


def tune(
    model_name: str, dataset: str = "auto", n_trials: int = 30, seed: int = 0,
    path: Path = tuned.TUNED,
) -> None:  # fmt: skip
    """Choose a model's parameters for a data set, record them in `path` and print what was found.

    No test part is looked at.
    """
    able = [name for name in models.__all__ if getattr(models, name).search_space]
    name = tuned.class_name(model_name, able)
    model, data = getattr(models, name)(), datasets.load(dataset)
    # On films BPR stands beside models of stars, where all that was rated counts.
    if model.predicts_ratings or (name == "BPR" and data.full is None):
        protocol, split = "80-20", next(protocols.folds(data, "80-20", seed))
    else:
        protocol = "user_holdout" if data.full is None else "fully_observed"
        split = getattr(protocols, protocol)(data, seed=seed)
        model.set_params(threshold=split.relevant)
    metric = tuning.metric_of(model)
    print(f"{name} on {data.name}: {metric} on the validation part of {protocol}, seed {seed}")
    decision = choosing.choose(model, split.development, n_trials, seed, deals=DEALS)
    trials = tuning.table(decision.study)
    print(decision.finals.round(4).to_string(index=False, na_rep="-"))
    pruned, epochs = int((trials["state"] == "pruned").sum()), int(trials["epochs"].sum())
    print(f"{len(trials)} trials, {pruned} of them stopped early; {epochs} epochs in all")
    print("search: on that validation part; confirmed: mean over others")
    said = ", ".join(f"{key}={value!r}" for key, value in decision.params.items())
    print(f"chosen: {name}({said})")
    tuned.record(
        name, data.name, decision.params, path, protocol=protocol, seed=seed, n_trials=len(trials),
        metric=metric, value=round(decision.value, 4),
    )  # fmt: skip
    print(f"written to {path}")


def rank(
    dataset: str, model: str, seed: int, trials: int, folder: Path = leaderboard.RECORDS
) -> None:
    """Tune and test all models, or some, and store what was found in `folder`; print a line each.

    `model` holds class names, with commas between them, or nothing.
    """
    names = [tuned.class_name(name) for name in model.split(",") if name]
    if trials < 1:
        raise RecsysError(f"trials is {trials}; every model is tuned, so it must be 1 or more")
    data = datasets.load(dataset)
    logger.info("%s, %s: %d trials, seed %d", data.name, data.ratings, trials, seed)
    for line in leaderboard.measure(data, trials, seed, names, folder):
        print(line, flush=True)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message} ({self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def main(argv: list[str]) -> int:
    """Do what the command line says; return the exit status."""
    parser = _Parser(prog="study", description="Tune and measure the models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    about = "; ".join(f"{name}: {what}" for name, what in protocols.PROTOCOLS.items())
    for command, trials, text in (
        ("reproduce", 20, "Measure rating models by a published protocol, one line each."),
        ("tune", 30, "Search a model's parameters; write them where the chapters read."),
        ("leaderboard", 8, "Tune and test every model; store the results in the repository."),
    ):
        add = commands.add_parser(command, help=text, description=text).add_argument
        add("--dataset", default="auto", help="ml-100k, synthetic, auto, ...")
        add("--seed", default=0, type=int, help="of all that is drawn at random")
        add("--trials", default=trials, type=int, help="how many sets of parameters a search tries")
        if command == "tune":
            add("--model", required=True, help="a name")
        elif command == "leaderboard":
            add("--model", default="", help="names: measure these anew, keep the others")
        else:
            add("--model", default=REPRODUCED, help="names, with commas between them")
            add("--protocol", default="5-fold", help=about)
    args = parser.parse_args(argv)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    try:
        if args.command == "tune":
            tune(args.model, args.dataset, args.trials, args.seed)
        elif args.command == "leaderboard":
            rank(args.dataset, args.model, args.seed, args.trials)
        else:
            reproduce(args.dataset, args.protocol, args.model, args.seed, args.trials)
    except (RecsysError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
