"""Genetic operators: pure functions of a generator and genomes, with one name -> function table for each kind."""
