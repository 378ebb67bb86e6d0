"""Windows of a time series in, its next values out: forecasts."""
