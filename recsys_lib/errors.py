"""The errors that bad input can cause, each with a message that says what to do."""


class RecsysError(ValueError):
    """Base class of the errors that bad input can cause."""


class DataError(RecsysError):
    """Ratings, items or a file do not have the form they must have."""


class UnknownDatasetError(RecsysError):
    """There is no data set of that name."""


class DownloadError(RecsysError):
    """A data set is not on this machine and could not be fetched."""


class NotFittedError(RecsysError):
    """A model was asked for something before `fit`."""


class UnknownIdError(RecsysError, KeyError):
    """A user or an item that the data does not hold."""

    __str__ = ValueError.__str__  # KeyError would print the message in quotes
