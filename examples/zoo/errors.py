"""Errors of the zoo: one sentence each, saying what is wrong and what to do."""


class ZooError(Exception):
    """Anything that stops the zoo, or one of its models, for a reason a user can act on."""


class DataMissingError(ZooError):
    """A dataset is not where ``--data-dir`` says it is."""


class ModelFileError(ZooError):
    """A file of a trained model is missing, corrupt, or not what its record says."""
