"""One pass over a dataset: planned, read ahead, computed shard by shard, here or on a cluster."""
