"""The library's command line: ``python -m recsys_lib reproduce`` and ``python -m recsys_lib tune``.

Results go to the standard output, whatever happens on the way there to the standard error. A user's
mistake is told in one line, and the exit status is 2.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any, NoReturn

from recsys_lib import datasets, evaluation, models, tuning
from recsys_lib.benchmark import benchmark
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import PROTOCOLS
from recsys_lib.tuning.tuned import TUNED

logger = logging.getLogger("recsys_lib")

REPRODUCED = ("BiasALS", "ALS", "GenreALS", "BayesianALS")
DEALS = 5  # other validation parts that `tune` measures the best trials on
LINE = "{:<12} {:>7} {:>7} {:>9}"


def reproduce(dataset: str, protocol: str, names: list[str], seed: int, trials: int) -> None:
    """Print a line a model: class name, mean test RMSE, its spread over folds, seconds of a fit.

    Each fold is a study of its own: parameters are searched within its `Development`, the model is
    fitted on all of the fold's learning part, and the test part is read once.

    Parameters
    ----------
    dataset, protocol : str
        What `datasets.load` and `evaluation.folds` take.
    names : list of str
        Class names of rating models.
    seed : int
        Of the folds, of the searches and of the models.
    trials : int
        Of each search; with 0, all models keep their default parameters. A model without a
        parameter to search (BayesianALS) keeps them anyway.
    """
    if trials < 0:
        raise RecsysError(f"trials is {trials}; it must be 0 (the defaults) or more")
    evaluation.check_protocol(protocol)
    wanted = {name: getattr(models, name)() for name in names}
    data = datasets.load(dataset)
    logger.info("%s, %s: %s, seed %d", data.name, data.ratings, protocol, seed)
    next(evaluation.iterate_folds(data, protocol, seed))  # refuses before anything is printed
    print(LINE.format("model", "rmse", "sd", "seconds"), flush=True)
    for name, model in wanted.items():
        found = benchmark(
            {name: model}, data, protocol, seeds=[seed], trials=trials, metrics=["rmse"]
        ).table
        spread = "-" if len(found) == 1 else f"{found['rmse'].std():.4f}"
        seconds = f"{found['fit_seconds'].mean():.2f}"
        print(LINE.format(name, f"{found['rmse'].mean():.4f}", spread, seconds), flush=True)


def tune(
    model_name: str,
    dataset_name: str = "auto",
    n_trials: int = 30,
    sampler: str = "tpe",
    seed: int = 0,
    storage: str | None = None,
    path: str | os.PathLike[str] = TUNED,
) -> None:
    """Choose a model's parameters for a data set, record them in `path` and print what was found.

    No test part is looked at, and of a large data set some users are enough.
    """
    name = tuning.class_name(model_name)
    model = getattr(models, name)()
    if not model.search_space:
        able = [one for one in models.__all__ if getattr(models, one).search_space]
        raise RecsysError(f"{name} has nothing to search; these have: {', '.join(able)}")
    data = datasets.load(dataset_name)
    # On films BPR stands beside models of stars, where all that was rated counts.
    if model.predicts_ratings or (isinstance(model, models.BPR) and data.full is None):
        protocol, split = "80-20", evaluation.folds(data, "80-20", seed)[0]
    elif data.full is not None:
        protocol, split = "fully_observed", evaluation.fully_observed(data, seed=seed)
    else:
        protocol, split = "user_holdout", evaluation.user_holdout(data, seed=seed)
    if protocol != "80-20":
        model.set_params(threshold=split.relevant)
    development = tuning.some_users(split.development, seed=seed)
    metric = tuning.metric_of(model)
    print(
        f"{name} on {data.name}: {n_trials} trials ({sampler}), {metric} on the validation part of "
        f"{protocol}, seed {seed}",
        flush=True,
    )
    decision = tuning.choose(
        model, development, n_trials, sampler, seed, storage=storage, deals=DEALS
    )
    trials, params = decision.search.trials, decision.params
    formats: dict[str, Any] = dict.fromkeys(("search", "confirmed"), "{:.4f}".format)
    print(decision.finals.to_string(index=False, formatters=formats, na_rep="-"))
    pruned, epochs = int((trials["state"] == "pruned").sum()), int(trials["epochs"].sum())
    print(f"{len(trials)} trials, {pruned} of them stopped early; {epochs} epochs in all")
    print(f"search: on that validation part; confirmed: mean over {DEALS} others")
    tuning.record(
        name, data.name, params, path, protocol=protocol, seed=seed, sampler=sampler,
        n_trials=len(trials), ratings=len(development.train) + len(development.valid), deals=DEALS,
        metric=metric, value=round(decision.value, 4),
    )  # fmt: skip
    said = ", ".join(f"{key}={value!r}" for key, value in params.items())
    print(f"chosen: {name}({said})\nwritten to {os.fspath(path)}")


def rating_models(text: str) -> list[str]:
    """Return the class names that stand in a list with commas, in any case.

    Raises
    ------
    RecsysError
        One is no model that predicts ratings; the message lists those that are.
    """
    able = [name for name in models.__all__ if getattr(models, name).predicts_ratings]
    known = {name.lower(): name for name in able}
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name.lower() not in known:
            raise RecsysError(
                f"there is no rating model {name!r}; there are {', '.join(known.values())}"
            )
    if not names:
        raise RecsysError(f"name at least one model of {', '.join(known.values())}")
    return list(dict.fromkeys(known[name.lower()] for name in names))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message} ({self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = _Parser(prog="recsys_lib", description="Tune and measure the course's models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    text = "Measure rating models by a published protocol, one line each."
    add = commands.add_parser("reproduce", help=text, description=text).add_argument
    add("--dataset", default="auto", help="ml-100k, synthetic, auto, ...")
    add("--protocol", default="5-fold", help="; ".join(f"{k}: {v}" for k, v in PROTOCOLS.items()))
    add("--model", default=",".join(REPRODUCED), help="names, with commas between them")
    add("--seed", default=0, type=int, help="of the folds, the searches and the models")
    add("--trials", default=20, type=int, help="of each fold's search; 0: the default parameters")

    text = "Search a model's parameters on validation data; write them where the chapters read."
    add = commands.add_parser("tune", help=text, description=text).add_argument
    add("--model", required=True, help="a name")
    add("--dataset", default="auto", help="ml-100k, synthetic, auto, ...")
    add("--trials", default=30, type=int, help="how many sets of parameters to try")
    add("--sampler", default="tpe", help="tpe, random or grid")
    add("--seed", default=0, type=int, help="of the search")
    add("--storage", help="a file that keeps the trials: the same search goes on with it")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Do what the command line says; return the exit status."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    args = parse(argv)
    try:
        if args.command == "tune":
            tune(args.model, args.dataset, args.trials, args.sampler, args.seed, args.storage)
        else:
            names = rating_models(args.model)
            reproduce(args.dataset, args.protocol, names, args.seed, args.trials)
    except RecsysError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
