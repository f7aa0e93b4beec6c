"""The only place that sees labels: metrics and audits, computed after selection and unable to change it."""
