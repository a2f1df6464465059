"""One run: plan, build or fetch from the cache, measure, judge."""
