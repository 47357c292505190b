"""Articles a second, CPU and memory: each stage, each service, the whole pipeline, the lane with many articles."""
