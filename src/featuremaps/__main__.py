"""`python -m featuremaps` is the command line."""

from featuremaps.cli import main

main()
