"""Named models in versions, with aliases that say which version is served."""
