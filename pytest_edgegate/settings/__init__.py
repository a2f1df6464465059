"""Options, ini keys and markers as frozen settings: the only place that parses user text."""
