"""Training: pictures in, a model folder out."""
