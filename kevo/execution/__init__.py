"""What a worker of kevo does: it builds its job once and trains one candidate after another."""
