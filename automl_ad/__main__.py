"""`python -m automl_ad` is the command line."""

from automl_ad.cli import main

main()
