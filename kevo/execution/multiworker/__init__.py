"""Several processes that train one network in lock step."""
