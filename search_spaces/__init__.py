"""Search spaces as data: one TOML per detector, the presets, and the baselines."""
