"""The baseline of every rating model: some users are kind, some films are good."""

from recsys_lib.models.als import ALS


class BiasALS(ALS):
    """r̂_ui = μ + b_u + b_i: `ALS` without factors, fitted by the same kernel.

    Parameters
    ----------
    lam, gamma : float
        λ and γ, weights of the residuals and of the biases. With ν = 0, γ/λ is the damping: a film
        of n ratings keeps n / (n + γ/λ) of its mean deviation.
    nu : float
        ν, how the weight of a bias grows with its number of ratings.
    n_epochs : int
        How many times both sides are solved; a handful suffices.

    Attributes
    ----------
    mu_, user_biases_, item_biases_, history :
        As in `ALS`.
    """

    n_factors = 0
    tau = 1.0  # of no effect: there are no factors to weigh
    seed = 0  # likewise
    popularity = None

    def __init__(
        self, lam: float = 1.0, gamma: float = 2.5, nu: float = 0.0, n_epochs: int = 10
    ) -> None:
        self.lam = lam
        self.gamma = gamma
        self.nu = nu
        self.n_epochs = n_epochs
