"""The REST service, below `/api/v1`: JSON in and out, errors as RFC 9457 has them."""
