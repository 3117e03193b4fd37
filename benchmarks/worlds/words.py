"""What the page on worlds says beside its numbers."""

EMPTY = "–"
HEAD = """# Shortcuts whose truth is known

Whether `find_shortcuts` finds what is there, and nothing else, can be tried where the truth is known: small worlds of
rings, crosses and triangles on clutter (48² pixels), each with a network of its own, trained from scratch on 600
pictures of each class and searched in 300 fresh ones of each. A cue is in so many pictures of rings as the table says,
and as many of the others lack it (the second of two cues goes with crosses). In clean worlds there is none, or it is in
half of every class.

- **Right pictures**: a proven finding for the cue's class, and how many of the pictures it tells apart as the cue does;
  it counts from 90 % and φ = .7 on.
- **True effect**: how much more probable the cue's class is with it, in the class's own pictures / in the others': the
  same scenes drawn with it and without.
- **Covered**: the interval of the effect that the finding names, own or others', holds the true one. Where nothing was
  found in a clean world: the true effect is below what the search says it would have found (in a quarter of a class).
- **Further**: proven findings of something else, or of other pictures; φ says how they go with the cue.

Made by `make worlds` on 2 cores of an AMD EPYC without AVX-512, shared.
"""
FOLLOWS = """## What follows
"""
