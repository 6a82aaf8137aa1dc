"""What a reader is asked to predict: how close is close enough, and what a wrong guess overlooks."""

# For each key: the tolerance as a share of the result, then what is told of a guess that is too
# low, and of one that is too high.
GUESSES: dict[str, tuple[float, str, str]] = {
    "eda-half": (
        0.06,
        "A film of the less rated half has few ratings: compare the median with the mean.",
        "A share of all ratings is at most 1, and the other half has some ratings.",
    ),
    "bias-huge": (
        0.02,
        "With such a penalty nothing is learnt about users and films: which line is that?",
        "The biases become zero, not wrong: which of the simpler predictions is left?",
    ),
    "als-shrink": (
        0.02,
        "Put p = q into the derivative and solve for the product: the penalty is paid once.",
        "The penalty takes something from every product: where is the derivative zero?",
    ),
    "tuning-quarter": (
        0.15,
        "Fewer users make the interval wider.",
        "The standard error falls with the root of the number of users.",
    ),
    "genres-mean": (
        0.1,
        "Divided by F, a sum of F has 1/F of the variance: by what is its length multiplied?",
        "The mean of several independent vectors is shorter than each of them.",
    ),
    "lists-ndcg": (
        0.02,
        "The best possible list has the two films at ranks 1 and 2: divide by its value.",
        "The hits are at ranks 2 and 3, and each is discounted by its own rank.",
    ),
    "bpr-auc": (
        0.01,
        "AUC is the share of the other films that stand below the liked one.",
        "Some of the other films stand above the liked one.",
    ),
    "linear-copy": (
        0.15,
        "Both copies say the same. Neither of them is better, so neither loses all its weight.",
        "Both copies say the same: a penalty on squares prefers two small weights to a large one.",
    ),
    "networks-start": (
        0.03,
        "Each film has the same probability: how many films share it?",
        "The logarithm is the natural one, and of one like.",
    ),
    "latent-chance": (
        0.1,
        "The squares of the K coordinates of a direction add up to 1.",
        "In many dimensions, two random directions are nearly at a right angle.",
    ),
    "board-many": (
        0.06,
        "Each of the comparisons has a chance of its own to look decided.",
        "Chances do not add up: what is the probability that none looks decided?",
    ),
    "sure-sixteen": (
        0.04,
        "The precisions add up, and not the standard deviations.",
        "σ over the root of n forgets the prior, which says something too.",
    ),
    "ab-five": (
        0.15,
        "Each further look is another chance to see p below the level.",
        "The looks share most of their data, so they are not five independent tests.",
    ),
    "newcomers-first": (
        0.02,
        "For one rating the weight of the penalty is γ, whatever ν is.",
        "The penalty draws the bias to zero: it counts like γ further ratings.",
    ),
    "demo-bits": (
        0.02,
        "How many values has a byte, and how many have two?",
        "One byte has half the bits of two, but how many values?",
    ),
    "speed-doubled": (
        0.02,
        "The triangle has two sides that grow with K.",
        "The bias and the target are two further columns, whatever K is.",
    ),
    "cluster-met": (
        0.05,
        "Some blocks are met twice, but most ratings meet a new one.",
        "Two ratings may meet the same block: one given block is often missed.",
    ),
}
