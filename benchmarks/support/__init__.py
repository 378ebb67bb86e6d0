"""What several benchmarks share: paths, command-line options, results files, tables and measures of a process."""
