"""What tests ask of examples."""

from kevo.tasks.outputs.classes.output import Classes


def classes(num: int) -> Classes:
    """Returns so many classes with short names."""
    return Classes(tuple(map(str, range(num))))
