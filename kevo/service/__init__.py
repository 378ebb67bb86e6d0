"""`kevo serve`: pages and a REST service for searches on one machine. The server's process loads no TensorFlow."""
