"""Tests of the project; each folder holds those of the package of the same path."""
