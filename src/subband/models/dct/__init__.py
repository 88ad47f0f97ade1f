"""Networks on the cosine coefficients of JPEG in place of pixels."""
