"""Genetic operators: pure functions of a generator and what they work on, with one name -> function table each."""
