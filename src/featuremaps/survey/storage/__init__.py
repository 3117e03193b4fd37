"""What a survey keeps on disk: tables, shards, fingerprints, and the reader of them."""
