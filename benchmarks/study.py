"""The command line: ``python -m benchmarks.study reproduce``, ``tune`` or ``leaderboard``.

Results go to the standard output, whatever happens on the way there to the standard error. A user's
mistake is told in one line, and the exit status is 2.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import Parser, choosing, leaderboard, literature, protocols, tuned
from benchmarks.comparison import benchmark
from recsys_lib import datasets, models, tuning
from recsys_lib.errors import RecsysError

logger = logging.getLogger("recsys_lib")

# What each part of BayesianALS brings, added one at a time: all but the last, which the model is as
# it stands and reads the items' table. Parameters by the name of the row.
PARTS: dict[str, dict[str, Any]] = {
    "BayesianALS:averaging": {"rated_spread": 0.0, "noise_worth": None, "n_burn": 100},
    "BayesianALS:+noise-by-user": {"rated_spread": 0.0},
    "BayesianALS:+who-rated-what": {},
}
DEALS = 5  # other validation parts that `tune` measures the best trials on


def reproduce(dataset: str, protocol: str, model: str, seed: int, trials: int) -> None:
    """Print one line per model: class name, the test part's metrics, seconds of a fit.

    Rating models have the mean RMSE and its standard deviation (sd) over the folds. By a protocol
    in `protocols.OF_LISTS` it is models of likes that are measured; each metric goes with half of
    its 95 % interval over users (±).
    Each fold is a study of its own: parameters are searched within its `Development` by that many
    `trials` (0: the defaults), the model is fitted on all of the fold's learning part, and the test
    part is read once. Nothing is searched for a model without a search space, such as BayesianALS
    and each of its rows in `PARTS`. `model` holds class names and names in `PARTS`, with commas
    between them; by default all models of ratings and all parts, or all models of likes. Below
    stand the numbers that were published for the same data and protocol.
    """
    lists = protocol in protocols.OF_LISTS
    able = [name for name in models.__all__ if getattr(models, name).predicts_ratings != lists]
    asked = model.split(",") if model else [*able, *({} if lists else PARTS)]
    wanted = [name if name in PARTS else tuned.class_name(name, able) for name in asked]
    if trials < 0:
        raise RecsysError(f"trials is {trials}; it must be 0 (the defaults) or more")
    data = datasets.load(dataset)
    logger.info("%s, %s: %s, seed %d", data.name, data.ratings, protocol, seed)
    protocols.folds(data, protocol, seed)  # refuses before anything is printed
    metrics = protocols.OF_LISTS.get(protocol, ["rmse"])
    spread = "±" if lists else "sd"
    _print("model", *(cell for metric in metrics for cell in (metric, spread)), "seconds")
    for name in dict.fromkeys(wanted):
        made = models.BayesianALS(**PARTS[name]) if name in PARTS else getattr(models, name)()
        told = replace(data, items=data.items[["item_id"]]) if name in PARTS else data
        n = trials if made.search_space or lists else 0
        found = benchmark({name: made}, told, protocol, seeds=[seed], trials=n, metrics=metrics)
        cells = [name]
        for metric in metrics:
            spread = "-" if len(found) == 1 else f"{found[metric].std():.4f}"
            if lists:
                low, high = found["report"].iloc[0].interval(metric)
                spread = f"{(high - low) / 2:.4f}"
            cells += [f"{found[metric].mean():.4f}", spread]
        _print(*cells, f"{found['fit_seconds'].mean():.2f}")
    for row in literature.published(data.name, protocol).itertuples():
        print(f"published: {row.model} {row.metric} {row.value:.4f} ({row.source})")


def _print(name: str, *cells: str) -> None:
    """Print a line of a table: a name, pairs of a metric and its spread, and seconds."""
    widths = [7 if len(cells) == 3 else 16 - 9 * (k % 2) for k in range(len(cells) - 1)]
    line = [f"{cell:>{width}}" for cell, width in zip(cells, [*widths, 9], strict=True)]
    print(" ".join([f"{name:<12}", *line]), flush=True)


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


def main(argv: list[str]) -> int:
    """Do what the command line says; return the exit status."""
    parser = Parser(prog="study", description="Tune and measure the models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    about = "; ".join(f"{name}: {what}" for name, what in protocols.PROTOCOLS.items())
    for command, trials, text in (
        ("reproduce", 20, "Measure the models by a published protocol, one line each."),
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
            add("--model", default="", help="names, with commas between them")
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
