"""Whether children that inherit their parent's weights rank as they do from scratch."""
