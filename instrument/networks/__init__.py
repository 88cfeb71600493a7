"""StyleGAN2 and StyleGAN3: which numbers a network consists of, what it does with them, and ways to run that."""
