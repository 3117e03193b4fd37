"""How fast, and in how much memory: featuremaps beside its peers, side by side in one run (`make bench`)."""

import os

os.environ["TQDM_DISABLE"] = "1"  # read when the peers' progress bars are first imported
