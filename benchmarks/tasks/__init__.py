"""kevo, cheap references and a network by hand on tasks that are no classes of pictures."""
