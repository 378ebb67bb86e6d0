"""Pages of `kevo serve` with many searches and candidates: time, memory, and optuna-dashboard beside them."""
