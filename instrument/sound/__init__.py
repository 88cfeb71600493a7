"""Sound that comes and goes: sound cards, what the computer plays, a song's stretches, and which channels are heard."""
