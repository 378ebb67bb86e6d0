"""The protocols of a task.

A task is what is given (pictures, a table) together with what is asked (one class of several). Everything outside
`kevo.tasks` knows tasks through these protocols and `kevo.tasks.registry` only:

    TaskKind   a row of the table: light, loads neither TensorFlow nor Keras
    Dataset    what a source holds, divided into train, validation and test
    Task       one search's task, beside the scheduler: genes, costs, and the scoring of what was found
    Trainer    the same task in a worker: trains one genome after another
    Predictor  a saved model in use
    Exportable a saved model that is written in other formats
"""
