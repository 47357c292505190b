"""Articles a second, CPU and memory: each stage, each service, the whole pipeline, dedup with many articles."""
