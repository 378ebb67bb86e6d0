"""Training arrays and a network: epochs, stages, optimizers, ensembles."""
